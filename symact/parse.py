"""Parse: SymPy or text, with its options, to a validated Formula."""

from __future__ import annotations

import keyword
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import sympy as sp

from symact.convert import is_supported
from symact.errors import FormulaError, OptionError, UnsupportedError
from symact.expressions import dag, rewrite, spelled, substituted, symbols
from symact.formula import WEIGHT_PARTS, Formula, Parameter, class_name
from symact.grammar import parse_text
from symact.numbers import as_float
from symact.reductions import LENGTH, Lifted, is_vector, lift
from symact.reserved import LAYER_NAMES, RESERVED, RESERVED_START
from symact.slips import nearest
from symact.vocabulary import ALL_NAMES

_DEFAULT_NAME = "activation"
_LARGEST_NUMBER = 1e300


def parse(
    formula: sp.Expr | str,
    *,
    name: str | None = None,
    inputs: Sequence[str] = ("x",),
    params: Mapping[str, float] | None = None,
    trainable: Sequence[str] = (),
    domain: tuple[object, object] | None = None,
    axis: int = -1,
) -> Formula:
    """A formula and its options, checked.

    Raises:
        FormulaError: the formula is refused.
        OptionError: an option is.
    """
    inputs = _check_inputs(inputs)
    if params is not None and not isinstance(params, Mapping):
        raise OptionError(f"params must map names to numbers, as in {{'beta': 1.0}}, not {params!r}")
    if isinstance(axis, bool) or not isinstance(axis, int):
        raise OptionError(f"axis must be a whole number such as -1, not {axis!r}")
    params = dict(params or {})
    name = check_identifier(_DEFAULT_NAME if name is None else name, "name")
    taken = set(inputs) | ALL_NAMES | LAYER_NAMES | {name, class_name(name)}
    taken |= {f"{weight}_{part}" for weight in trainable for part in WEIGHT_PARTS}
    for parameter in params:
        check_identifier(parameter, "parameter name", extra=taken)
    if name in inputs or name in ALL_NAMES - {name.lower()}:
        raise OptionError(f"the name {name!r} is taken by an input or a constant; choose another")
    if isinstance(formula, str):
        text, expression = formula, parse_text(formula)
        originals: tuple[tuple[str, sp.Symbol], ...] = ()
        lifted = _lifted(expression, text, inputs)
    else:
        text, lifted, originals = _from_sympy(formula, inputs)
    reductions = lifted.reductions
    for reduction in reductions:
        if reduction.name in {*inputs, *params}:
            raise OptionError(f"the name {reduction.name!r} is taken by a reduction; choose another")
    everything = sp.Tuple(lifted.expression, *(reduction.body for reduction in reductions))
    _check_numbers(text, everything)
    own = {r.name for r in reductions} | ({LENGTH} if lifted.indexed else set())
    _check_symbols(text, everything, inputs, params, own)
    return Formula(
        text=text,
        expression=lifted.expression,
        reductions=reductions,
        indexed=lifted.indexed,
        keeps_axis=lifted.keeps_axis,
        with_indices=(expression if isinstance(formula, str) else formula) if lifted.indexed else None,
        name=name,
        inputs=inputs,
        parameters=_parameters(params, trainable),
        domain=_check_domain(domain),
        axis=axis,
        originals=originals,
    )


def check_identifier(name: object, what: str, extra: Iterable[str] = ()) -> str:
    """``name`` if it can name something in the emitted module; else an OptionError."""
    if not isinstance(name, str) or not (name.isidentifier() and name.isascii()):
        raise OptionError(f"the {what} {name!r} is not an identifier; use letters, digits and _")
    is_keyword = keyword.iskeyword(name) or keyword.issoftkeyword(name)
    if is_keyword or name in RESERVED or name.startswith(RESERVED_START):
        raise OptionError(f"the {what} {name!r} is reserved; choose another")
    if name.startswith("_") or not any(c.isalpha() for c in name):
        raise OptionError(f"the {what} {name!r} must start with a letter")
    if name in set(extra):
        raise OptionError(f"the {what} {name!r} already means something else; choose another")
    return name


def _check_inputs(inputs: Sequence[str]) -> tuple[str, ...]:
    if isinstance(inputs, str) or not inputs:
        raise OptionError(f"inputs must be a sequence of names such as ('x',), not {inputs!r}")
    names = tuple(check_identifier(name, "input name", extra=ALL_NAMES) for name in inputs)
    if len(set(names)) != len(names):
        raise OptionError(f"inputs must have different names, not {', '.join(names)}")
    return names


def _lifted(expression: sp.Expr, text: str, inputs: tuple[str, ...]) -> Lifted:
    """The formula without indices; one that has none is elementwise."""
    if not is_vector(expression):
        return Lifted(expression, (), frozenset(), True)
    lifted = lift(expression, text)
    without = rewrite(expression, lambda part: sp.S.One if isinstance(part, sp.Indexed) else part)
    bare = {symbol.name for symbol in without.free_symbols}
    for name in inputs:
        if name in bare:
            raise FormulaError(
                text, f"the input {name!r} needs an index in a formula over an axis: {name}[i]"
            )
    return lifted


def _from_sympy(
    formula: object, inputs: tuple[str, ...]
) -> tuple[str, Lifted, tuple[tuple[str, sp.Symbol], ...]]:
    """Text, the formula over real symbols, and the user's own symbols."""
    if isinstance(formula, int | float) and not isinstance(formula, bool):
        formula = sp.Rational(repr(formula)) if math.isfinite(formula) else sp.nan
    if not isinstance(formula, sp.Basic):
        raise FormulaError(str(formula), "a formula is text or a SymPy expression")
    text = spelled(formula)
    if not isinstance(formula, sp.Expr):
        raise UnsupportedError(text, f"a {type(formula).__name__} is not an elementwise expression")
    if is_vector(formula):
        return _from_indexed(text, formula, inputs)
    replaced: dict[sp.Basic, sp.Basic] = {}
    originals: dict[str, sp.Symbol] = {}
    for current in dag(formula):
        if current.is_Symbol:
            own = originals.setdefault(current.name, current)
            if own != current:
                raise FormulaError(text, f"two different symbols are called {current.name!r}")
            replaced[current] = sp.Symbol(current.name, real=True)
        elif current.is_Float:
            replaced[current] = sp.Rational(str(current))
        elif current in (sp.I, sp.zoo, sp.nan):
            raise FormulaError(text, f"{current} has no real value")
        elif not is_supported(current):
            raise UnsupportedError(text, f"{spelled(current.func)} cannot be compiled")
    expression = substituted(formula, replaced)
    return text, _lifted(expression, text, inputs), tuple(originals.items())


def _from_indexed(
    text: str, formula: sp.Expr, inputs: tuple[str, ...]
) -> tuple[str, Lifted, tuple[tuple[str, sp.Symbol], ...]]:
    """As ``_from_sympy``, of a formula over an axis; its parts are checked without their indices."""
    lifted = _lifted(formula, text, inputs)
    parts = []
    for part in (lifted.expression, *(reduction.body for reduction in lifted.reductions)):
        own = {s: sp.Symbol(s.name, real=True) for s in part.free_symbols if s.name != LENGTH}
        _, inner, _ = _from_sympy(substituted(part, own), inputs)
        parts.append(
            inner.expression.xreplace({sp.Symbol(LENGTH, real=True): sp.Symbol(LENGTH, positive=True)})
        )
    reductions = tuple(replace(r, body=body) for r, body in zip(lifted.reductions, parts[1:], strict=True))
    return text, replace(lifted, expression=parts[0], reductions=reductions), ()


def _check_numbers(text: str, expression: sp.Basic) -> None:
    """Every constant part must be a real number that float64 can hold."""
    for current in dag(expression):
        if isinstance(current, sp.Expr) and current.is_number and not current.is_infinite:
            value = abs(as_float(current))
            if not value < _LARGEST_NUMBER or (value < 1 / _LARGEST_NUMBER and not current.is_zero):
                short = spelled(current) if len(spelled(current)) < 30 else current.evalf(6)
                raise FormulaError(text, f"the constant {short} is beyond what float64 can compute with")


def _check_symbols(
    text: str,
    expression: sp.Basic,
    inputs: tuple[str, ...],
    params: Mapping[str, float],
    internal: set[str],
) -> None:
    known = set(inputs) | set(params) | internal
    for symbol in sorted(symbols(expression), key=str):
        if symbol.name not in known:
            at = text.find(symbol.name) if isinstance(text, str) else -1
            hint = nearest(symbol.name, known | ALL_NAMES)
            raise FormulaError(
                text,
                f"the symbol {symbol.name!r} is neither an input nor a parameter{hint or ';'} "
                f"give it a default: params={{{symbol.name!r}: 1.0}}, --param {symbol.name}=1.0",
                at if at >= 0 else None,
            )
    used = {symbol.name for symbol in symbols(expression)}
    for parameter in params:
        if parameter not in used:
            hint = nearest(parameter, used)
            raise OptionError(f"the parameter {parameter!r} does not occur in {text!r}{hint}")


def _parameters(params: Mapping[str, float], trainable: Sequence[str]) -> tuple[Parameter, ...]:
    if isinstance(trainable, str):
        raise OptionError(f"trainable must be a sequence of names such as ('beta',), not {trainable!r}")
    for name in trainable:
        if name not in params:
            raise OptionError(f"trainable {name!r} is not a parameter{nearest(name, set(params))}")
    result = []
    for name, value in params.items():
        good = not isinstance(value, bool | str)
        try:
            number = float(value) if good else math.nan
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise OptionError(f"the default of parameter {name!r} must be a number, not {value!r}")
        result.append(Parameter(name, number, name in trainable))
    return tuple(result)


def _check_domain(domain: tuple[object, object] | None) -> tuple[sp.Expr, sp.Expr]:
    if domain is None:
        return -sp.oo, sp.oo
    try:
        low, high = (_end(end) for end in domain)
    except (TypeError, ValueError, FormulaError):
        raise OptionError(f"domain must be two numbers (lo, hi), not {domain!r}") from None
    if not low < high:
        raise OptionError(f"the domain ({low}, {high}) is empty; lo must be below hi")
    return low, high


def _end(end: object) -> sp.Expr:
    if isinstance(end, str):
        value = parse_text(end)
    elif isinstance(end, float) and math.isinf(end):
        value = sp.oo if end > 0 else -sp.oo
    elif isinstance(end, sp.Expr):
        value = end
    elif isinstance(end, int | float) and not isinstance(end, bool):
        value = sp.Rational(repr(end))
    else:
        value = sp.Rational(repr(float(end)))  # type: ignore[arg-type]
    if not (value.is_number and value.is_extended_real):
        raise ValueError(end)
    return value
