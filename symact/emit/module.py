"""Module: the text of the emitted file, put together from a schedule."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from symact.emit.docstring import Variant, docstring
from symact.emit.fit import fitted
from symact.emit.function import ARGUMENT_HELPERS, arguments, function
from symact.emit.gradients import GRADIENT_HELPERS, JIT, gradients
from symact.emit.layer import layer
from symact.emit.printer import FUSED, POLYNOMIAL, body
from symact.formula import Formula
from symact.schedule import Kernel, Schedule

_WIDTH = 88


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
    chain = [text for variant in variants for text in gradients(schedule, variant)]
    public = [function(schedule), layer(formula)]
    parts = [
        docstring(schedule, variants),
        "import keras\nimport tensorflow as tf",
        constants(formula),
        *helpers(KERNEL_HELPERS, functions),
        *functions,
        *helpers(GRADIENT_HELPERS, chain),
        *chain,
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
    "_stored": '''
def _stored(t):
    """``t``; XLA writes a quotient to memory once, rather than what it is made of."""
    return t / tf.where(tf.math.is_nan(t), t, tf.ones_like(t))
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
