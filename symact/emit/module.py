"""Module: the text of the emitted file, put together from a schedule."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from symact.emit.docstring import Variant, docstring
from symact.emit.fit import fitted
from symact.emit.function import ARGUMENT_HELPERS, arguments, function
from symact.emit.layer import layer
from symact.emit.printer import FUSED, POLYNOMIAL, body, wrapped_call
from symact.formula import Formula
from symact.schedule import Kernel, Schedule

_WIDTH = 88
JIT = "@tf.function(jit_compile=True, reduce_retracing=True, autograph=False)"


def emit(schedule: Schedule) -> str:
    """The source of a module that needs TensorFlow and Keras only.

    It defines the function, named as the formula, and a Keras Layer, named so in CamelCase; both are
    registered for saving. ``ruff check`` and ``ruff format --check`` have nothing to say about it.
    """
    formula = schedule.formula
    general = Variant(formula, "", schedule.kernels)
    fixed = Variant(replace(formula, parameters=()), "_at_defaults", schedule.at_defaults)
    variants = [general, fixed] if schedule.at_defaults else [general]
    functions = [text for variant in variants for text in _kernels(schedule, variant)]
    gradients = [text for variant in variants for text in _differentiable(schedule, variant)]
    public = [function(schedule), layer(formula)]
    parts = [
        docstring(schedule, variants),
        "import keras\nimport tensorflow as tf",
        constants(formula),
        *helpers(KERNEL_HELPERS, functions),
        *functions,
        *helpers(GRADIENT_HELPERS, gradients),
        *gradients,
        *helpers(ARGUMENT_HELPERS, public),
        *public,
    ]
    return assembled(parts)


def assembled(parts: list[str]) -> str:
    """The docstring, the imports and the constants one line apart, definitions two; no line too long."""
    return fitted("\n\n".join(parts[:3]) + "\n\n\n" + "\n\n\n".join(parts[3:]) + "\n")


def constants(formula: Formula) -> str:
    """The public names, and the formula that saved layers are checked against."""
    names = sorted([formula.class_name, formula.name])
    listed = ", ".join(f'"{name}"' for name in names)
    return f"__all__ = [{listed}]\n\n{_assigned('_FORMULA', _quoted(formula.text))}"


def _assigned(name: str, literal: str) -> str:
    """``name = literal``; a string too long for the line in parentheses, piece by piece."""
    if len(name) + len(literal) + 3 <= _WIDTH:
        return f"{name} = {literal}"
    inside = literal[1:-1]
    if "\\" in inside or len(literal) <= _WIDTH - 6:
        return f"{name} = (\n    {literal}\n)"
    step = _WIDTH - 8
    pieces = [f'    "{inside[i : i + step]}"' for i in range(0, len(inside), step)]
    return "\n".join([f"{name} = (", *pieces, ")"])


def _quoted(text: str) -> str:
    flat = " ".join(text.split())
    return '"' + flat.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _kernels(schedule: Schedule, variant: Variant) -> Iterator[str]:
    for kernel in variant.ordered():
        yield from _kernel(schedule, variant, kernel)


def _kernel(schedule: Schedule, variant: Variant, kernel: Kernel) -> Iterator[str]:
    """The functions of one kernel: one body, or one a format and a choice between them."""
    formula = variant.formula
    title = variant.title(kernel.wrt)
    jit = [JIT] if schedule.jit_compile else []
    if kernel.float32 is kernel.float64 and not kernel.widened:
        text = _definition(f"_{title}", formula, _body(schedule, formula, kernel, "float64"))
        yield "\n".join([*jit, text])
        return
    shared = kernel.float32 is kernel.float64
    narrow = f"_{title}_{'float64' if shared else 'widened' if kernel.widened else 'float32'}"
    if not shared:
        yield _definition(narrow, formula, _body(schedule, formula, kernel, "float32"))
    yield _definition(f"_{title}_float64", formula, _body(schedule, formula, kernel, "float64"))
    passed = arguments(formula)
    choice = [
        f"if {formula.inputs[0]}.dtype == tf.float64:",
        f"    return _{title}_float64({passed})",
    ]
    if kernel.widened:
        choice.append("# No form of it in float32 is accurate everywhere.")
        choice += [f"{name} = tf.cast({name}, tf.float64)" for name in passed.split(", ")]
        choice.append(f"return tf.cast({narrow}({passed}), tf.float32)")
    else:
        choice.append(f"return {narrow}({passed})")
    yield "\n".join([*jit, _definition(f"_{title}", formula, choice)])


def _body(schedule: Schedule, formula: Formula, kernel: Kernel, format_name: str) -> list[str]:
    graph = kernel.float32 if format_name == "float32" else kernel.float64
    taken = {*formula.inputs, *(p.name for p in formula.parameters), "tf", "keras", formula.name}
    return body(
        graph,
        formula.inputs[0],
        taken,
        narrow=format_name == "float32" and not kernel.widened,
        tensors=formula.inputs if schedule.jit_compile else (),
    )


def _definition(name: str, formula: Formula, lines: list[str]) -> str:
    indented = "\n".join(f"    {line}" for line in lines)
    return f"def {name}({arguments(formula)}):\n{indented}"


def _differentiable(schedule: Schedule, variant: Variant) -> Iterator[str]:
    """The chain of custom gradients, from the highest derivatives that have one down to the value."""
    formula = variant.formula
    passed = arguments(formula)
    for kernel in reversed(variant.ordered()):
        if len(kernel.wrt) == schedule.order:
            continue
        own = variant.title(kernel.wrt)
        last = len(kernel.wrt) == schedule.order - 1
        kept = schedule.residual == "derivative"
        above: list[str] = []
        slopes: list[list[str]] = []
        for name in variant.arguments:
            if name not in formula.variables:
                slopes.append(["None"])
                continue
            following = variant.title(tuple(sorted((*kernel.wrt, name))))
            call = f"{'_' if last else '_differentiable_'}{following}({passed})"
            if kept:
                above.append(f"    slope_{name} = {call}")
                call = f"slope_{name}"
            slope = f"upstream * {call}"
            summed = len(formula.variables) > 1
            slopes.append(wrapped_call("_summed_to(", [slope, name], 13) if summed else [slope])
        lines = ["@tf.custom_gradient", f"def _differentiable_{own}({passed}):", *above]
        lines += [""] if kept else []
        lines += [
            "    def gradient(upstream):",
            *_returned(slopes),
            "",
            f"    return _untaped(_{own})({passed}), gradient",
        ]
        yield "\n".join(lines)


def _returned(values: list[list[str]]) -> list[str]:
    """The return statement of a gradient function, one value to a line where they are long."""
    joined = ", ".join(value[0] for value in values)
    if all(len(value) == 1 for value in values) and len(joined) + 15 <= _WIDTH:
        return [f"        return {joined}"]
    lines = [f"            {line}" for value in values for line in [*value[:-1], f"{value[-1]},"]]
    return ["        return (", *lines, "        )"]


# The name of a function where it is called.
_CALL = re.compile(r"(?<!\w)(\w+)\(")


def helpers(known: dict[str, str], users: list[str], but: list[str] | None = None) -> list[str]:
    """The helper functions that ``users`` and these call, without those that ``but`` called before."""
    called = _called(known, users) - _called(known, but or [])
    return [known[name] for name in known if name in called]


def _called(known: dict[str, str], users: list[str]) -> set[str]:
    found: set[str] = set()
    texts = list(users)
    while texts:
        new = (known.keys() & _CALL.findall(texts.pop())) - found
        found |= new
        texts += [known[name] for name in new]
    return found


# Functions that the module defines where its kernels call them.
KERNEL_HELPERS = {
    POLYNOMIAL: f'''
def {POLYNOMIAL}(x, *coefficients):
    """The polynomial in x whose constant term comes first, by Horner's rule."""
    total = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        total = coefficient + x * total
    return total
'''.strip(),
    FUSED: f'''
def {FUSED}(t):
    """``t``; XLA writes what is expensive and used twice to memory, but no maximum."""
    return tf.maximum(t, float("-inf"))
'''.strip(),
    "_kept": '''
def _kept(x):
    """x ≥ 0 as it is; XLA would make a less exact exp(a + b) of exp(a) * exp(b)."""
    return tf.maximum(x, 0.0)
'''.strip(),
    "_rest_of_product": '''
def _rest_of_product(a, b, product):
    """What rounding took from the product a * b."""
    b = tf.convert_to_tensor(b, a.dtype)
    if a.dtype == tf.float32:
        exact = tf.cast(a, tf.float64) * tf.cast(b, tf.float64)
        return tf.cast(exact - tf.cast(product, tf.float64), tf.float32)
    (high, low), (high2, low2) = _halves(a), _halves(b)
    # Step by step: Grappler would add all of it up in another order.
    rest = _rounded(high * high2 - product + high * low2)
    return _rounded(rest + low * high2) + low * low2
'''.strip(),
    "_rest_of_sum": '''
def _rest_of_sum(a, b, total):
    """What rounding took from the sum a + b."""
    part = _rounded(total - a)
    return a - _rounded(total - part) + (b - part)
'''.strip(),
    "_halves": '''
def _halves(t):
    """Two numbers of half as many digits each, whose sum ``t`` is."""
    scaled = _rounded(t * 134217729.0)
    high = scaled - _rounded(scaled - t)
    return high, t - high
'''.strip(),
    "_rounded": '''
def _rounded(t):
    """``t``, and nothing else: but XLA adds to a product before it is rounded."""
    return tf.where(tf.math.is_nan(t), tf.constant(float("nan"), t.dtype), t)
'''.strip(),
}

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
    t = tf.reduce_sum(t, axes, keepdims=True)
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
