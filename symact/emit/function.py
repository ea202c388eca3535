"""Function: the text of the emitted module's public function and of the checks on its arguments."""

from __future__ import annotations

from symact.emit.printer import wrapped_call
from symact.formula import Formula
from symact.schedule import Schedule

# Functions that the module defines where its public ones call them.
ARGUMENT_HELPERS = {
    "_number": '''
def _number(name, value):
    """``value`` as a float; tensors are refused, since no gradient would reach them."""
    if tf.is_tensor(value) or isinstance(value, (tf.Variable, keras.Variable)):
        raise TypeError(
            f"{name} must be a number, not a tensor: it is not a trainable parameter; "
            f"compile the formula with trainable=({name!r},) to make it one"
        )
    return float(value)
'''.strip(),
    "_tensor": '''
def _tensor(value, dtype):
    """``value`` as a tensor of ``dtype``; gradients reach tensors and variables."""
    if isinstance(value, (int, float)):
        return tf.constant(value, dtype)
    return tf.cast(tf.convert_to_tensor(value), dtype)
'''.strip(),
}


# By whether float32 is computed in float64 in part, how narrow formats over an axis are.
_PRECISION = {
    False: [
        "    False are left out of every sum and extremum. float16 and bfloat16 compute in",
        "    float32 and round once.",
    ],
    True: [
        "    False are left out of every sum and extremum. Narrower formats than float64 compute",
        "    in it where they must, and round at the end.",
    ],
}


def arguments(formula: Formula) -> str:
    """Inputs and parameters, as passed on by position."""
    return ", ".join([*formula.inputs, *(p.name for p in formula.parameters)])


def signature(formula: Formula) -> list[str]:
    """The parameters with their defaults."""
    return [f"{p.name}={p.default!r}" for p in formula.parameters]


def definition_line(head: str, given: list[str], indent: int) -> list[str]:
    """``head`` and ``given`` up to the colon, in the lines that ruff would make."""
    lines = wrapped_call(head, given, indent + 1)
    return [*lines[:-1], f"{lines[-1]}:"]


def function(schedule: Schedule) -> str:
    """The public function: it converts, checks, computes in the wide dtype and rounds once."""
    formula = schedule.formula
    first = formula.inputs[0]
    given = [f"{p.name}={p.name}" for p in formula.parameters]
    # A function has no weights, so the layer that stands for it in a model has none to train.
    keywords = ", ".join([*given, *(["trainable=False"] if formula.trainable else [])])
    inputs = ", ".join(formula.inputs)
    single = len(formula.inputs) == 1
    symbolic = f"isinstance({first}, keras.KerasTensor)"
    if not single:
        symbolic = f"any(isinstance(t, keras.KerasTensor) for t in ({inputs}))"
    accepted = [
        "    Accepts what ``tf.convert_to_tensor`` does, of any shape and floating dtype, and",
        "    returns the same. float16 and bfloat16 compute in float32 and round once.",
    ]
    if not single:
        accepted = [
            "    Accepts what ``tf.convert_to_tensor`` does, of shapes that broadcast; the result has",
            "    the first one's dtype. float16 and bfloat16 compute in float32 and round once.",
        ]
    lines = [
        '@keras.saving.register_keras_serializable(package="symact")',
        *definition_line(f"def {formula.name}(", [*formula.inputs, *signature(formula)], 0),
        f'    """The activation {formula.name}, with its exact derivative as gradient.',
        "",
        *accepted,
        *_trainable_note(formula),
        "",
        "    Raises:",
        f"        TypeError: ``{first}`` is not floating.",
        '    """',
        f"    if {symbolic}:",
        f"        return {formula.class_name}({keywords})({inputs if single else f'[{inputs}]'})",
        f"    {first} = tf.convert_to_tensor({first})",
        f"    if not {first}.dtype.is_floating:",
        "        raise TypeError(",
        f'            f"{formula.name} takes floating-point input, not {{{first}.dtype.name}}; "',
        f'            "convert it first, for instance with tf.cast({first}, tf.float32)"',
        "        )",
        f"    wide = tf.float64 if {first}.dtype == tf.float64 else tf.float32",
        *(f'    {p.name} = _number("{p.name}", {p.name})' for p in formula.parameters if not p.trainable),
        *(f"    {name} = _tensor({name}, wide)" for name in formula.inputs[1:]),
        *_calls(schedule),
        f"    return tf.cast(y, {first}.dtype)",
    ]
    return "\n".join(lines)


def axis_function(formula: Formula, *, widened: bool, looped: bool) -> str:
    """The public function of a formula over an axis.

    Args:
        formula: what it computes.
        widened: whether float32 is computed in float64 in part.
        looped: whether there is a loop inside, which hides the result's shape.
    """
    first, *rest = formula.inputs
    inputs = ", ".join(formula.inputs)
    options = ["axis=-1" if formula.axis == -1 else f"axis={formula.axis}", "mask=None"]
    options += [] if formula.keeps_axis else ["keepdims=False"]
    passed = [f"{p.name}={p.name}" for p in formula.parameters] + ["axis=axis"]
    passed += [] if formula.keeps_axis else ["keepdims=keepdims"]
    passed += ["trainable=False"] if formula.trainable else []
    arguments = [*formula.inputs, *signature(formula), "*", *options]
    symbolic = f"isinstance({first}, keras.KerasTensor)"
    shape = "the input's shape" if formula.keeps_axis else "the input's shape without ``axis``"
    lines = [
        '@keras.saving.register_keras_serializable(package="symact")',
        *definition_line(f"def {formula.name}(", arguments, 0),
        f'    """The formula {formula.name} over ``axis``, with its exact gradient.',
        "",
        f"    The result has {shape}. Entries where ``mask`` is",
        *_PRECISION[widened],
        *_trainable_note(formula),
        "",
        "    Raises:",
        f"        TypeError: ``{first}`` is not floating.",
        '    """',
        f"    if {symbolic}:",
        *(f"        {line}" for line in wrapped_call(f"layer = {formula.class_name}(", passed, 8)),
        f"        return layer({inputs if not rest else f'[{inputs}]'}, mask=mask)",
        f"    {first} = tf.convert_to_tensor({first})",
        f"    if not {first}.dtype.is_floating:",
        "        raise TypeError(",
        f'            f"{formula.name} takes floating-point input, not {{{first}.dtype.name}}; "',
        f'            "convert it first, for instance with tf.cast({first}, tf.float32)"',
        "        )",
        f"    dtype = {first}.dtype",
        "    wide = tf.float64 if dtype == tf.float64 else tf.float32",
        f"    {first} = tf.cast({first}, wide)",
        *(f"    {name} = _tensor({name}, wide)" for name in rest),
        *_broadcast(formula),
        f"    axis = _axis_of({first}, axis)",
        *(
            f"    {p.name} = _tensor({p.name}, wide)"
            if p.trainable
            else f'    {p.name} = tf.constant(_number("{p.name}", {p.name}), wide)'
            for p in formula.parameters
        ),
        *(f"    {name} = _along({name}, {first}, axis)" for name in _weights_along(formula)),
        f"    mask = _aligned(mask, {first}, axis)",
        *(["    if mask is not None:"] + [f"        {n} = _masked({n}, mask)" for n in formula.inputs]),
    ]
    fixed = ", ".join([*(p.name for p in formula.parameters if not p.trainable), "axis", "mask"])
    lines.append(f"    y = _differentiable_value({fixed})({', '.join(formula.variables)})")
    if looped:
        reduced = "None" if formula.keeps_axis else "axis"
        lines.append(f"    y.set_shape(_result_shape({reduced}, {', '.join(formula.variables)}))")
    lines.append("    if mask is not None:" if formula.keeps_axis else "    if not keepdims:")
    lines.append("        y = _masked(y, mask)" if formula.keeps_axis else "        y = tf.squeeze(y, axis)")
    lines.append("    return tf.cast(y, dtype)")
    return "\n".join(lines)


def _weights_along(formula: Formula) -> list[str]:
    """Parameters with an element for each of the axis; sums may be of them alone."""
    return [p.name for p in formula.parameters if p.name in formula.indexed]


def _broadcast(formula: Formula) -> list[str]:
    """Lines that give several inputs one shape: sums over the axis need elements side by side."""
    first, *rest = formula.inputs
    lines = []
    for name in rest:
        shape = first if name == rest[0] else "shape"
        given = f"tf.shape({shape})" if name == rest[0] else "shape"
        lines.append(f"    shape = tf.broadcast_dynamic_shape({given}, tf.shape({name}))")
    return lines + [
        f"    {name} = tf.broadcast_to({name}, shape)" for name in (formula.inputs if rest else ())
    ]


def _trainable_note(formula: Formula) -> list[str]:
    names = ", ".join(f"``{name}``" for name in formula.trainable)
    if not names:
        return []
    lines = [f"    Gradients reach {names} where that is a tensor or a variable."]
    along = ", ".join(f"``{name}``" for name in formula.trainable if name in formula.indexed)
    if along:
        lines.append(f"    A vector for {along} lies along ``axis``.")
    return lines


def _calls(schedule: Schedule) -> list[str]:
    """The lines that compute y."""
    formula = schedule.formula
    first, *rest = formula.inputs
    names = [p.name for p in formula.parameters]
    passed = ", ".join([f"tf.cast({first}, wide)", *rest, *names])
    general = [
        f"    {p.name} = {'_tensor' if p.trainable else 'tf.constant'}({p.name}, wide)"
        for p in formula.parameters
    ]
    general.append(f"    y = _differentiable_value({passed})")
    if not schedule.at_defaults:
        return general
    conditions = [f"isinstance({name}, (int, float))" for name in formula.trainable]
    defaults = [repr(p.default) for p in formula.parameters]
    same = f"{names[0]} == {defaults[0]}"
    if len(names) > 1:
        same = f"({', '.join(names)}) == ({', '.join(defaults)})"
    conditions.append(same)
    condition = [f"    if {' and '.join(conditions)}:"]
    if len(condition[0]) > 88:
        condition = ["    if (", f"        {conditions[0]}"]
        condition += [*(f"        and {c}" for c in conditions[1:]), "    ):"]
    return [
        *condition,
        f"        y = _differentiable_value_at_defaults(tf.cast({first}, wide))",
        "    else:",
        *(f"    {line}" for line in general),
    ]
