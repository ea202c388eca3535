"""Module: the text of the emitted file, put together from a schedule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from symact.emit.docstring import ORDINALS, Variant, docstring
from symact.emit.printer import POLYNOMIAL, body, wrapped_call
from symact.formula import Formula
from symact.schedule import Kernel, Schedule

_WIDTH = 88
_JIT = "@tf.function(jit_compile=True, reduce_retracing=True, autograph=False)"


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
    parts = [
        docstring(schedule, variants),
        "import keras\nimport tensorflow as tf",
        _constants(formula),
        *(text for name, text in _HELPERS.items() if any(f"{name}(" in f for f in functions)),
        *functions,
        *(text for variant in variants for text in _differentiable(schedule, variant)),
        *([_NUMBER_CHECK] if formula.parameters else []),
        _function(schedule),
        _layer(formula),
    ]
    # The docstring, the imports and the constants stand one line apart, definitions two.
    return "\n\n".join(parts[:3]) + "\n\n\n" + "\n\n\n".join(parts[3:]) + "\n"


def _constants(formula: Formula) -> str:
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


def _arguments(formula: Formula) -> str:
    return ", ".join([*formula.inputs, *(p.name for p in formula.parameters)])


def _kernels(schedule: Schedule, variant: Variant) -> Iterator[str]:
    for kernel in variant.ordered():
        yield from _kernel(schedule, variant, kernel)


def _kernel(schedule: Schedule, variant: Variant, kernel: Kernel) -> Iterator[str]:
    """The functions of one kernel: one body, or one a format and a choice between them."""
    formula = variant.formula
    title = ORDINALS[len(kernel.wrt)] + variant.suffix
    jit = [_JIT] if schedule.jit_compile else []
    if kernel.float32 is kernel.float64:
        text = _definition(f"_{title}", formula, _body(formula, kernel, "float64"))
        yield "\n".join([*jit, text])
        return
    for format_name in ("float32", "float64"):
        lines = _body(formula, kernel, format_name)
        yield _definition(f"_{title}_{format_name}", formula, lines)
    arguments = _arguments(formula)
    choice = [
        f"if {formula.inputs[0]}.dtype == tf.float64:",
        f"    return _{title}_float64({arguments})",
        f"return _{title}_float32({arguments})",
    ]
    yield "\n".join([*jit, _definition(f"_{title}", formula, choice)])


def _body(formula: Formula, kernel: Kernel, format_name: str) -> list[str]:
    graph = kernel.float32 if format_name == "float32" else kernel.float64
    taken = {*formula.inputs, *(p.name for p in formula.parameters), "tf", "keras", formula.name}
    return body(graph, formula.inputs[0], taken, narrow=format_name == "float32")


def _definition(name: str, formula: Formula, lines: list[str]) -> str:
    indented = "\n".join(f"    {line}" for line in lines)
    return f"def {name}({_arguments(formula)}):\n{indented}"


def _differentiable(schedule: Schedule, variant: Variant) -> Iterator[str]:
    """The chain of custom gradients, from the highest derivative that has one down to the value."""
    formula = variant.formula
    for times in range(schedule.order - 1, -1, -1):
        own, following = (ORDINALS[n] + variant.suffix for n in (times, times + 1))
        last = times == schedule.order - 1
        following = f"_{following}" if last else f"_differentiable_{following}"
        arguments = _arguments(formula)
        gradients = "".join(", None" for _ in formula.parameters)
        kept = schedule.residual == "derivative"
        lines = ["@tf.custom_gradient", f"def _differentiable_{own}({arguments}):"]
        lines += [f"    slope = {following}({arguments})", ""] if kept else []
        slope = "slope" if kept else f"{following}({arguments})"
        lines += [
            "    def gradient(upstream):",
            f"        return upstream * {slope}{gradients}",
            "",
            f"    return _{own}({arguments}), gradient",
        ]
        yield "\n".join(lines)


# Functions that the module defines where its kernels call them.
_HELPERS = {
    POLYNOMIAL: f'''
def {POLYNOMIAL}(x, *coefficients):
    """The polynomial in x whose constant term comes first, by Horner's rule."""
    total = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        total = coefficient + x * total
    return total
'''.strip(),
    "_kept": '''
def _kept(x):
    """x ≥ 0 as it is; XLA would make a less exact exp(a + b) of exp(a) * exp(b)."""
    return tf.maximum(x, 0.0)
'''.strip(),
}

_NUMBER_CHECK = '''
def _number(name, value):
    """``value`` as a float; tensors are refused, since no gradient would reach them."""
    if tf.is_tensor(value) or isinstance(value, (tf.Variable, keras.Variable)):
        raise TypeError(
            f"{name} must be a number, not a tensor: it is not a trainable parameter; "
            f"compile the formula with trainable=({name!r},) to make it one"
        )
    return float(value)
'''.strip()


def _signature(formula: Formula) -> list[str]:
    return [f"{p.name}={p.default!r}" for p in formula.parameters]


def _definition_line(head: str, arguments: list[str], indent: int) -> list[str]:
    lines = wrapped_call(head, arguments, indent + 1)
    return [*lines[:-1], f"{lines[-1]}:"]


def _function(schedule: Schedule) -> str:
    formula = schedule.formula
    (name,) = formula.inputs
    keywords = ", ".join(f"{p.name}={p.name}" for p in formula.parameters)
    numbers = [f'    {p.name} = _number("{p.name}", {p.name})' for p in formula.parameters]
    described = [
        "",
        "    Accepts what ``tf.convert_to_tensor`` does, of any shape and floating dtype, and",
        "    returns the same. float16 and bfloat16 compute in float32 and round once.",
    ]
    lines = [
        '@keras.saving.register_keras_serializable(package="symact")',
        *_definition_line(f"def {formula.name}(", [name, *_signature(formula)], 0),
        f'    """The activation {formula.name}, with its exact derivative as gradient.',
        *described,
        "",
        "    Raises:",
        f"        TypeError: ``{name}`` is not floating.",
        '    """',
        f"    if isinstance({name}, keras.KerasTensor):",
        f"        return {formula.class_name}({keywords})({name})",
        f"    {name} = tf.convert_to_tensor({name})",
        f"    if not {name}.dtype.is_floating:",
        "        raise TypeError(",
        f'            f"{formula.name} takes floating-point input, not {{{name}.dtype.name}}; "',
        f'            "convert it first, for instance with tf.cast({name}, tf.float32)"',
        "        )",
        f"    wide = tf.float64 if {name}.dtype == tf.float64 else tf.float32",
        *numbers,
        *_calls(schedule),
        f"    return tf.cast(y, {name}.dtype)",
    ]
    return "\n".join(lines)


def _calls(schedule: Schedule) -> list[str]:
    """The lines of the public function that compute y."""
    formula = schedule.formula
    (name,) = formula.inputs
    names = [p.name for p in formula.parameters]
    passed = ", ".join([f"tf.cast({name}, wide)", *names])
    general = [f"    {p} = tf.constant({p}, wide)" for p in names]
    general.append(f"    y = _differentiable_value({passed})")
    if not schedule.at_defaults:
        return general
    defaults = [repr(p.default) for p in formula.parameters]
    same = f"{names[0]} == {defaults[0]}"
    if len(names) > 1:
        same = f"({', '.join(names)}) == ({', '.join(defaults)})"
    return [
        f"    if {same}:",
        f"        y = _differentiable_value_at_defaults(tf.cast({name}, wide))",
        "    else:",
        *(f"    {line}" for line in general),
    ]


def _layer(formula: Formula) -> str:
    names = [p.name for p in formula.parameters]
    keywords = ", ".join(["inputs", *(f"{name}=self.{name}" for name in names)])
    lines = [
        '@keras.saving.register_keras_serializable(package="symact")',
        f"class {formula.class_name}(keras.layers.Layer):",
        f'    """The activation {formula.name} as a layer; input and output have one shape."""',
        "",
    ]
    arguments = ["self", *_signature(formula), "**kwargs"]
    init = [f"    {line}" for line in _definition_line("def __init__(", arguments, 4)]
    lines += [
        *init,
        "        super().__init__(**kwargs)",
        *(f'        self.{name} = _number("{name}", {name})' for name in names),
        "        self.supports_masking = True",
        "",
        "    def call(self, inputs):",
        f"        return {formula.name}({keywords})",
        "",
        "    def compute_output_shape(self, input_shape):",
        "        return input_shape",
        "",
        "    def get_config(self):",
        "        config = super().get_config()",
        *(f'        config["{name}"] = self.{name}' for name in names),
        '        config["formula"] = _FORMULA',
        "        return config",
        "",
        "    @classmethod",
        "    def from_config(cls, config):",
        "        config = dict(config)",
        '        saved = config.pop("formula", _FORMULA)',
        "        if saved != _FORMULA:",
        "            raise ValueError(",
        f'                f"this {formula.class_name} computes {{_FORMULA}}, but the model was "',
        '                f"saved with {saved}; load the module that was generated for it"',
        "            )",
        "        return cls(**config)",
    ]
    return "\n".join(lines)
