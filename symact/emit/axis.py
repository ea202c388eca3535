"""Axis: the text of the emitted module for a formula over an axis."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from symact.casts import wide_nodes
from symact.emit.axis_helpers import HELPERS
from symact.emit.docstring import differentiability, paragraph, titled
from symact.emit.function import ARGUMENT_HELPERS, axis_function
from symact.emit.gradients import GRADIENT_HELPERS, JIT
from symact.emit.layer import layer
from symact.emit.module import KERNEL_HELPERS, assembled, constants, helpers
from symact.emit.printer import bodies, wrapped_call, wrapped_return
from symact.formula import Formula
from symact.graph import Node, rebuild, var, variables
from symact.memory import doubled
from symact.ops import OPS
from symact.reduced import spans_axis
from symact.schedule import AxisSchedule

_TITLES = ("value", "gradient", "second_gradient")


@dataclass(frozen=True)
class _Level:
    """The value, its VJP, or the VJP of that.

    Attributes:
        at: which of them.
        bodies: by format, the lines of the function.
        arguments: what the function takes. An input it has no use for is none of it: between forward and
            backward that would be one tensor more.
    """

    at: int
    bodies: dict[str, list[str]]
    arguments: list[str]


def emit_axis(schedule: AxisSchedule) -> str:
    """The source of a stand-alone module, as ``emit`` gives for elementwise formulas."""
    formula = schedule.formula
    levels = [_level(schedule, at) for at in range(schedule.order + 1)]
    functions = [text for level in levels for text in _functions(schedule, level)]
    chain = [_differentiable(schedule, *pair) for pair in reversed(list(pairwise(levels)))]
    known = {**HELPERS, **KERNEL_HELPERS, **GRADIENT_HELPERS}
    called = helpers(known, functions)
    looped = HELPERS["_tried"] in called
    public = [axis_function(formula, widened=schedule.widened, looped=looped), layer(formula)]
    parts = [
        _docstring(schedule),
        "import keras\nimport tensorflow as tf",
        constants(formula),
        *called,
        *functions,
        *helpers(GRADIENT_HELPERS, chain, but=functions),
        *chain,
        *helpers({**ARGUMENT_HELPERS, **HELPERS}, public, but=functions),
        *public,
    ]
    return assembled(parts)


def _docstring(schedule: AxisSchedule) -> str:
    formula = schedule.formula
    paragraphs = [*titled(formula), differentiability(schedule.order)]
    if formula.parameters:
        paragraphs.append(
            paragraph("Parameters", [f"{p.name}: default {p.default!r}" for p in formula.parameters])
        )
    paragraphs.append(paragraph("Stages, of the value and of its vector-Jacobian product", schedule.stages))
    paragraphs.append(paragraph("Conventions", schedule.conventions))
    text = "\n\n".join(paragraphs).replace("\\", "\\\\").replace('"""', "'''")
    return f'"""{text}\n"""'


def upstreams(formula: Formula, level: int) -> list[str]:
    """The cotangents that the function of ``level`` takes."""
    first = ["upstream"] if level else []
    return first + [f"upstream_{name}" for name in formula.variables if level > 1]


def _results(formula: Formula, level: int) -> list[str]:
    """What the function of ``level`` gives the cotangents of."""
    return [*formula.variables, *(["upstream"] if level == 2 else [])]


def _arguments(formula: Formula, level: int) -> list[str]:
    names = [*formula.inputs, *(p.name for p in formula.parameters), *upstreams(formula, level)]
    return [*names, *(["kept"] if level == 1 else []), "axis", "mask"]


def _level(schedule: AxisSchedule, at: int) -> _Level:
    bodies = {name: _body(schedule, at, name) for name in schedule.graphs}
    used = {word for body in bodies.values() for line in body for word in re.findall(r"\w+", line)}
    inputs = schedule.formula.inputs
    return _Level(at, bodies, [n for n in _arguments(schedule.formula, at) if n in used or n not in inputs])


def _functions(schedule: AxisSchedule, level: _Level) -> Iterator[str]:
    """The function of one level: one body, or one a format and a choice between them."""
    title, given = _TITLES[level.at], level.arguments
    jit = [JIT] if schedule.jit_compile else []
    if len(level.bodies) == 1:
        yield "\n".join([*jit, *_definition(f"_{title}", given), *level.bodies["float64"]])
        return
    for name, body in level.bodies.items():
        yield "\n".join([*_definition(f"_{title}_{name}", given), *body])
    lines = [f"    if {given[0]}.dtype == tf.float64:"]
    lines += [f"    {line}" for line in _call(f"return _{title}_float64(", given, 8)]
    lines += _call(f"return _{title}_float32(", given, 4)
    yield "\n".join([*jit, *_definition(f"_{title}", given), *lines])


def _definition(name: str, given: list[str]) -> list[str]:
    lines = wrapped_call(f"def {name}(", given, 1)
    return [*lines[:-1], f"{lines[-1]}:"]


def _call(head: str, given: list[str], indent: int) -> list[str]:
    return [f"    {line}" for line in wrapped_call(head, given, indent)]


def _body(schedule: AxisSchedule, level: int, format_name: str) -> list[str]:
    formula = schedule.formula
    roots = list(schedule.graphs[format_name][level])
    kept = list(schedule.kept[format_name])
    if level == 1 and _keeps_result(schedule):
        (result,) = schedule.graphs[format_name][0]
        kept = [result, *(current for current in kept if current is not result)]
    taken = {*_arguments(formula, level), "kept", "tf", "keras", formula.name, "length", "position"}
    lines: list[str] = []
    wide: set[str] = set()
    fits = [_fits(root, formula, level) for root in roots]
    if level == 1 and kept:
        names = _kept_names(kept, taken)
        wide_results = wide_nodes(kept)
        wide = {name for name, current in zip(names, kept, strict=True) if current in wide_results}
        lines.append(f"{', '.join(names)} = kept" if len(names) > 1 else f"({names[0]},) = kept")
        replaced: dict[Node, Node] = {n: var(name) for n, name in zip(kept, names, strict=True)}
        roots = [rebuild(root, replaced) for root in roots]
    roots = [_renamed(root, formula, level) for root in roots]
    # The result itself is kept by who calls: returned twice, XLA would copy it.
    whole = [*roots, *(current for current in kept if current is not roots[0])] if level == 0 else roots
    used = {name for root in whole for name in variables(root)}
    first = formula.inputs[0]
    if "length" in used:
        lines.append(f"length = _length({first}, axis, mask)")
    if "position" in used:
        lines.append(f"position = _position({first}, axis)")
    narrow = format_name == "float32" and not schedule.widened
    unfused = doubled(schedule.graphs[format_name], formula.inputs) if level < 2 else set()
    typed = first if level == 0 or first in used else "upstream"
    statements, texts = bodies(whole, typed, taken, narrow=narrow, wide=wide, unfused=unfused)
    lines += statements
    if level == 0:
        if not variables(roots[0]) & {*formula.inputs}:
            # It has no more elements than its parameters have.
            like = first if formula.keeps_axis else f"_sum({first}, axis, mask)"
            texts[0] = f"tf.broadcast_to({texts[0]}, tf.shape({like}))"
        rest = ", ".join(texts[1:]) + ("," if len(texts) == 2 else "")
        lines += wrapped_return([texts[0], f"({rest})"], 4)
    else:
        likes = _results(formula, level)
        summed = [
            text if fit else _summed(root, text, like)
            for root, text, like, fit in zip(roots, texts, likes, fits, strict=True)
        ]
        lines += wrapped_return(summed, 4)
    return [f"    {line}" for line in lines]


def _fits(root: Node, formula: Formula, level: int) -> bool:
    """Whether a cotangent has the shape of what it is of: of several tensors one may have been broadcast."""
    if len(formula.inputs) > 1 or formula.parameters:
        return False
    given = [f"upstream_{name}_{level}" for name in formula.inputs if level > 1]
    return spans_axis(root, [*formula.inputs, *given, *(["upstream"] if formula.keeps_axis else [])])


def _summed(root: Node, text: str, like: str) -> str:
    """The text of a cotangent in the shape of ``like``."""
    if root.op != "const":
        return f"_summed_to({text}, {like})"
    if root.value == 0:
        return f"tf.zeros_like({like})"
    return f"_summed_to(tf.constant({text}, {like}.dtype), {like})"


def _keeps_result(schedule: AxisSchedule) -> bool:
    """Whether the VJP is given the value's result."""
    return any(
        schedule.graphs[name][0][0] in kept for name, kept in schedule.kept.items() if name in schedule.graphs
    )


def _kept_names(kept: Sequence[Node], taken: set[str]) -> list[str]:
    names: list[str] = []
    for current in kept:
        noun = OPS[current.op].noun
        name, count = noun, 1
        while name in taken:
            count += 1
            name = f"{noun}{count}"
        taken.add(name)
        names.append(name)
    return names


def _renamed(root: Node, formula: Formula, level: int) -> Node:
    """Upstreams under the names that the functions give them."""
    if level < 2:
        return root
    return rebuild(root, {var(f"upstream_{v}_{level}"): var(f"upstream_{v}") for v in formula.variables})


def _differentiable(schedule: AxisSchedule, own_level: _Level, next_level: _Level) -> str:
    """A function of tensors alone, with its gradient: axis, mask and the like are around it."""
    formula, level, title = schedule.formula, own_level.at, _TITLES[own_level.at]
    fixed = [p.name for p in formula.parameters if not p.trainable]
    outer = [*fixed, *(["kept"] if level else []), "axis", "mask"]
    inner = [*formula.variables, *upstreams(formula, level)]
    following, after = _TITLES[level + 1], upstreams(formula, level + 1)
    new = [name for name in after if name not in inner]
    last = level + 1 == schedule.order
    # What TensorFlow differentiates itself must see how what is kept follows from the inputs.
    called = f"_{title}" if level == 0 and last else f"_untaped(_{title})"
    results = "cotangents" if level else f"{formula.result}, kept"
    own = _call(f"{results} = {called}(", own_level.arguments, 8)
    if last:
        call = _call(f"return _{following}(", next_level.arguments, 12)
    else:
        wrapped = ", ".join([*fixed, "kept", "axis", "mask"])
        call = [f"    differentiable = _differentiable_{following}({wrapped})"]
        call += _call("return differentiable(", [*formula.variables, *after], 12)
    if level == 0 and _keeps_result(schedule):
        own.append(f"    kept = ({formula.result}, *kept)")
    lines = [
        *_definition(f"_differentiable_{title}", outer),
        f'    """The {title.replace("_", " ")} as a function of tensors alone, with its gradient."""',
        "",
        "    @tf.custom_gradient",
        f"    def differentiable({', '.join(inner)}):",
        *(f"    {line}" for line in own),
        "",
        f"        def gradient({', '.join(new)}):",
        *(f"        {line}" for line in call),
        "",
        f"        return {'cotangents' if level else formula.result}, gradient",
        "",
        "    return differentiable",
    ]
    return "\n".join(lines)
