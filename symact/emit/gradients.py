"""Gradients: the text of an elementwise module's custom gradients."""

from __future__ import annotations

from collections.abc import Iterator

from symact.emit.docstring import Variant
from symact.emit.printer import wrapped_return
from symact.program import Wrt
from symact.schedule import Kernel, Schedule

JIT = "@tf.function(jit_compile=True, reduce_retracing=True, autograph=False)"


def gradients(schedule: Schedule, variant: Variant) -> Iterator[str]:
    """The chain of custom gradients, from the highest derivatives that have one down to the value.

    Where kernels are compiled, so is the value's gradient by each variable as a whole: products with its
    upstream and sums take no memory of their own there.
    """
    if _is_whole(schedule):
        yield from (_gradient(variant, name) for name in variant.formula.variables)
    for kernel in reversed(variant.ordered()):
        if len(kernel.wrt) == schedule.order:
            continue
        if not kernel.wrt and _is_whole(schedule) and schedule.order > 1:
            yield from (
                _differentiable_gradient(schedule, variant, name) for name in variant.formula.variables
            )
        yield _differentiable(schedule, variant, kernel)


def _is_whole(schedule: Schedule) -> bool:
    return schedule.jit_compile and schedule.residual == "input"


def _gradient(variant: Variant, by: str) -> str:
    """The value's gradient by one variable as one compiled function."""
    passed = ", ".join(variant.arguments)
    slope = f"upstream * _{variant.title((by,))}({passed})"
    head = f"def _{variant.gradient_title(by)}({passed}, upstream):"
    return "\n".join([JIT, head, f"    return {_summed(variant, slope, by)}"])


def _differentiable_gradient(schedule: Schedule, variant: Variant, by: str) -> str:
    """That with a gradient of its own."""
    own, passed = variant.gradient_title(by), ", ".join(variant.arguments)
    product = f"upstream_{by} * upstream"
    values = [_slope(schedule, variant, (by,), name, product) for name in variant.arguments]
    again = f"upstream_{by} * {_name(schedule, variant, (by,))}({passed})"
    values.append(_summed(variant, again, "upstream"))
    lines = [
        "@tf.custom_gradient",
        f"def _differentiable_{own}({passed}, upstream):",
        f"    def gradient(upstream_{by}):",
        *(f"        {line}" for line in wrapped_return(values, 8)),
        "",
        f"    return _untaped(_{own})({passed}, upstream), gradient",
    ]
    return "\n".join(lines)


def _differentiable(schedule: Schedule, variant: Variant, kernel: Kernel) -> str:
    """A kernel with its gradient: by each variable a product of its upstream and the next derivative."""
    variables = variant.formula.variables
    own, passed = variant.title(kernel.wrt), ", ".join(variant.arguments)
    above: list[str] = []
    if schedule.residual == "derivative":
        for name in variables:
            above.append(f"    slope_{name} = {_name(schedule, variant, (*kernel.wrt, name))}({passed})")
    values = [_slope(schedule, variant, kernel.wrt, name, "upstream") for name in variant.arguments]
    if not kernel.wrt and _is_whole(schedule):
        kind = "_differentiable_" if schedule.order > 1 else "_"
        titles = {name: variant.gradient_title(name) for name in variables}
        calls = {name: f"{kind}{title}({passed}, upstream)" for name, title in titles.items()}
        values = [calls.get(name, "None") for name in variant.arguments]
    lines = [
        "@tf.custom_gradient",
        f"def _differentiable_{own}({passed}):",
        *([*above, ""] if above else []),
        "    def gradient(upstream):",
        *(f"        {line}" for line in wrapped_return(values, 8)),
        "",
        f"    return _untaped(_{own})({passed}), gradient",
    ]
    return "\n".join(lines)


def _slope(schedule: Schedule, variant: Variant, wrt: Wrt, name: str, upstream: str) -> str:
    """The gradient by ``name`` of the derivative by ``wrt``."""
    if name not in variant.formula.variables:
        return "None"
    call = f"{_name(schedule, variant, (*wrt, name))}({', '.join(variant.arguments)})"
    if schedule.residual == "derivative":
        call = f"slope_{name}"
    return _summed(variant, f"{upstream} * {call}", name)


def _name(schedule: Schedule, variant: Variant, wrt: Wrt) -> str:
    """What a derivative is called where it may be differentiated itself."""
    title = variant.title(tuple(sorted(wrt)))
    return f"_{title}" if len(wrt) == schedule.order else f"_differentiable_{title}"


def _summed(variant: Variant, slope: str, like: str) -> str:
    """``slope`` to the shape of ``like``: one of several variables may have been broadcast."""
    return f"_summed_to({slope}, {like})" if len(variant.formula.variables) > 1 else slope


GRADIENT_HELPERS = {
    "_untaped": '''
def _untaped(function):
    """``function`` without a gradient tape, which would keep every intermediate result.

    The gradient beside it takes none of them.
    """

    def hidden(argument):
        return tf.stop_gradient(argument) if tf.is_tensor(argument) else argument

    return lambda *arguments: function(*map(hidden, arguments))
'''.strip(),
    "_summed_to": '''
def _summed_to(t, like):
    """``t`` summed over the axes along which ``like`` was broadcast, to its shape."""
    if t.shape.is_fully_defined() and t.shape == like.shape:
        return t
    own = list(like.shape) if like.shape.rank is not None else [None]
    while own[:1] == [1]:
        own = own[1:]
    known = t.shape.rank is not None and not {1, None} & {*own}
    if known and t.shape[t.shape.rank - len(own) :] == own:
        return _summed_over_first_axes(t, like)
    missing = tf.maximum(tf.rank(like) - tf.rank(t), 0)
    t = tf.reshape(t, tf.concat([tf.ones([missing], tf.int32), tf.shape(t)], 0))
    shape, target = tf.shape(t), tf.shape(like)
    _, axes = tf.raw_ops.BroadcastGradientArgs(s0=shape, s1=target)
    # In float64: a batch has millions of terms, of which the roundings would show.
    t = tf.cast(tf.reduce_sum(tf.cast(t, tf.float64), axes, keepdims=True), t.dtype)
    extra = tf.maximum(tf.rank(t) - tf.rank(like), 0)
    return tf.broadcast_to(tf.reshape(t, tf.shape(t)[extra:]), target)
'''.strip(),
    "_summed_over_first_axes": '''
def _summed_over_first_axes(t, like):
    """The sum of ``t`` over the axes that ``like`` lacks: of 128, then in float64.

    A batch has millions of them, of which the rounding errors in float32 would show.
    """
    size = tf.size(like)
    rows = tf.reshape(t, [-1, size])
    count = tf.shape(rows)[0] // 128
    blocks = tf.reshape(rows[: 128 * count], [count, 128, size])
    total = tf.reduce_sum(tf.cast(tf.reduce_sum(blocks, 1), tf.float64), 0)
    total += tf.reduce_sum(tf.cast(rows[128 * count :], tf.float64), 0)
    return tf.reshape(tf.cast(total, t.dtype), tf.shape(like))
'''.strip(),
}
