"""Saturate: equal forms of a graph by equality saturation over the table of identities.

An e-graph holds all forms at once (M. Willsey et al., "egg: fast and extensible equality saturation",
POPL 2021; here egglog, Y. Zhang et al., PLDI 2023). The forms handed on are those that are cheapest by
different measures; which of them is accurate is measured by the caller.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from importlib.machinery import PathFinder
from typing import Any

import sympy as sp

from symact.graph import Node, const, exact, node, rebuild, var, walk
from symact.ops import OPS
from symact.stabilize.identities import EXPANSIONS, IDENTITIES, Identity
from symact.stabilize.rules import rewrite

_ITERATIONS = 5
# Rows of the e-graph beyond which it is not grown further; larger graphs are not put into one.
_LARGEST, _MOST_NODES = 6000, 90
_VARIANTS = 6
# What an op costs when forms are compared: once as it runs, once with differences shunned, which
# cancel, and once with them and with sums inside of functions shunned, which round their argument.
_MEASURES: tuple[Mapping[str, float], ...] = (
    {},
    {"sub": 60.0},
    {"sub": 60.0, "add": 30.0},
)
_SKIPPED = {"where", "round", "keep", "is_nan"}

# Which graphs are positive or not negative, whatever their variables are.
_FACTS = """
(rule ((= e (Rat a)) (> a (bigrat (bigint 0) (bigint 1)))) ((positive e)))
(rule ((positive e)) ((nonnegative e)))
(rule ((= e (Exp a))) ((positive e)))
(rule ((= e (Cosh a))) ((positive e)))
(rule ((= e (Erfc a))) ((positive e)))
(rule ((= e (Square a))) ((nonnegative e)))
(rule ((= e (Abs a))) ((nonnegative e)))
(rule ((= e (Sqrt a))) ((nonnegative e)))
(rule ((= e (Square a)) (positive (Abs a))) ((positive e)))
(rule ((= e (Abs a)) (positive a)) ((positive e)))
(rule ((= e (Sqrt a)) (positive a)) ((positive e)))
(rule ((= e (Add a b)) (positive a) (nonnegative b)) ((positive e)))
(rule ((= e (Add a b)) (nonnegative a) (nonnegative b)) ((nonnegative e)))
(rule ((= e (Mul a b)) (positive a) (positive b)) ((positive e)))
(rule ((= e (Mul a b)) (nonnegative a) (nonnegative b)) ((nonnegative e)))
(rule ((= e (Div a b)) (positive a) (positive b)) ((positive e)))
(rule ((= e (Div a b)) (nonnegative a) (positive b)) ((nonnegative e)))
(rewrite (Add (Rat a) (Rat b)) (Rat (+ a b)))
(rewrite (Sub (Rat a) (Rat b)) (Rat (- a b)))
(rewrite (Mul (Rat a) (Rat b)) (Rat (* a b)))
(rewrite (Neg (Rat a)) (Rat (- (bigrat (bigint 0) (bigint 1)) a)))
(rewrite (Div (Rat a) (Rat b)) (Rat (/ a b)) :when ((!= b (bigrat (bigint 0) (bigint 1)))))
"""


@lru_cache(maxsize=64)
def equal_forms(root: Node, positive: frozenset[str] = frozenset()) -> tuple[Node, ...]:
    """Graphs equal to ``root``: cheapest by several measures, and with single differences exchanged.

    Args:
        root: without branches; others and large ones have no forms.
        positive: names of variables known to be > 0.
    """
    nodes = list(walk([root]))
    if len(nodes) > _MOST_NODES or any(
        n.op in _SKIPPED or (n.op in OPS and OPS[n.op].boolean) for n in nodes
    ):
        return ()
    seen = {root: None}
    for graph in _extracted(root, nodes, positive):
        tidy, _ = rewrite(graph)
        expanded, _ = rewrite(tidy, EXPANSIONS)
        for form in (graph, tidy, expanded):
            seen[form] = None
    del seen[root]
    return tuple(seen)


def identities_used(root: Node, form: Node) -> tuple[str, ...]:
    """Names of identities that are enough, and each of them needed, to derive ``form`` from ``root``;
    empty where the whole table is not enough (then rules applied on sight were among them)."""
    if not _derives(root, form, IDENTITIES):
        return ()
    needed = list(IDENTITIES)
    size = len(needed) // 2
    while size:
        for start in range(len(needed) - size, -1, -size):
            without = [*needed[:start], *needed[start + size :]]
            if _derives(root, form, without):
                needed = without
        size //= 2
    return tuple(identity.name for identity in needed)


def _derives(root: Node, form: Node, identities: Sequence[Identity]) -> bool:
    nodes = list(walk([root, form]))
    with _grown(_language(identities), nodes, _names(nodes)) as (egraph, names):
        try:
            _run(egraph, f"(check (= {names[root]} {names[form]}))")
        except Exception:  # egglog's own error type is no subclass of any that says more
            return False
        return True


def _extracted(root: Node, nodes: list[Node], positive: frozenset[str]) -> Iterator[Node]:
    bindings = _bindings()
    cancelling = [n for n in nodes if n.op in ("add", "sub") and n is not root]
    with _grown(_whole_language(), nodes, positive) as (egraph, names):
        for measure in _MEASURES:
            extractor = bindings.Extractor(["M"], egraph, _cost_model(measure))
            for current in [root] if measure else [root, *cancelling]:
                terms = bindings.TermDag()
                _, value = egraph.eval_expr(bindings.Var(bindings.PanicSpan(), names[current]))
                for _, term in extractor.extract_variants(egraph, terms, value, _VARIANTS, "M"):
                    yield rebuild(root, {current: _node(terms, term)})


@contextmanager
def _grown(
    language: Any, nodes: list[Node], positive: Collection[str]
) -> Iterator[tuple[Any, dict[Node, str]]]:
    """An e-graph of the ``language`` saturated from ``nodes``, and the nodes' names in it; what was put
    into it is gone afterwards."""
    names = {current: f"$n{i}" for i, current in enumerate(nodes)}
    terms = [f"(let {names[current]} {_term(current, names)})" for current in nodes]
    known = [n for n in nodes if n.op == "var" and n.name in positive]
    # A power with a variable exponent has values for no others.
    known += [n.args[0] for n in nodes if n.op == "pow" and n.args[1].op != "const"]
    terms += [f"(positive {names[n]})" for n in known]
    _run(language, "(push)")
    try:
        _run(language, "\n".join(terms))
        for _ in range(_ITERATIONS):
            _run(language, "(run 1)")
            if sum(rows for _, rows in _run(language, "(print-size)")[0].sizes) > _LARGEST:
                break
        yield language, names
    finally:
        _run(language, "(pop)")


def _names(nodes: list[Node]) -> frozenset[str]:
    return frozenset(str(n.name) for n in nodes if n.op == "var")


def _run(egraph: Any, program: str) -> Any:
    return egraph.run_program(*egraph.parse_program(program))


@cache
def _bindings() -> Any:
    """egglog's compiled half, without the other, which is not used here and takes longer to import than
    most searches take."""
    package = "egglog"
    name = f"{package}.bindings"
    found = importlib.util.find_spec(package)
    if found is None or package in sys.modules:
        return importlib.import_module(name)
    spec = PathFinder.find_spec(name, found.submodule_search_locations)
    if spec is None or spec.loader is None:
        return importlib.import_module(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # A later `import egglog` finds things as it would have without this.
    sys.modules.pop(name, None)
    return module


_local = threading.local()


def _whole_language() -> Any:
    """The language of all identities: its rules take longer to build than most e-graphs to saturate, and
    an e-graph stays within its thread."""
    if not hasattr(_local, "language"):
        _local.language = _language(IDENTITIES)
    return _local.language


def _language(identities: Sequence[Identity]) -> Any:
    """An e-graph without terms: the ops, the facts and the identities."""
    ops = [op for op in OPS.values() if not op.boolean and op.name not in _SKIPPED]
    rows = ["(Var String)", "(Rat BigRat)", "(Real String)"]
    rows += [f"({_constructor(op.name)} {'M ' * op.arity})" for op in ops]
    relations = "(relation positive (M))\n(relation nonnegative (M))"
    egraph = _bindings().EGraph()
    rules = map(_rule, identities)
    _run(egraph, "\n".join([f"(datatype M {' '.join(rows)})", relations, _FACTS, *rules]))
    return egraph


def _cost_model(measure: Mapping[str, float]) -> Any:
    """Costs by ``measure``, in half units; those of parts add up."""
    costs = {
        _constructor(op.name): round(2 * measure.get(op.name, op.cost + 0.5)) or 1 for op in OPS.values()
    }
    return _bindings().CostModel(
        lambda _, own, parts: own + sum(parts),
        lambda constructor, _: costs.get(constructor, 1),
        lambda _, __, parts: sum(parts),
        lambda _, __: 1,
    )


@cache
def _rule(identity: Identity) -> str:
    left, right = (_pattern(side) for side in (identity.left, identity.right))
    given = " ".join(f"({fact} {_pattern(graph)})" for fact, graph in identity.given)
    return f"(rewrite {left} {right}{f' :when ({given})' if given else ''})"


def _constructor(op: str) -> str:
    return op.capitalize()


_OP_OF = {_constructor(name): name for name in OPS}


def _pattern(graph: Node) -> str:
    if graph.op == "var":
        return str(graph.name)
    if graph.op == "const":
        return _constant(exact(graph))
    return f"({_constructor(graph.op)} {' '.join(map(_pattern, graph.args))})"


def _term(current: Node, names: Mapping[Node, str]) -> str:
    if current.op == "var":
        return f'(Var "{current.name}")'
    if current.op == "const":
        return _constant(exact(current))
    return f"({_constructor(current.op)} {' '.join(names[arg] for arg in current.args)})"


_REALS: dict[str, sp.Expr] = {}


def _constant(value: sp.Expr) -> str:
    if value.is_Rational:
        return f'(Rat (bigrat (from-string "{value.p}") (from-string "{value.q}")))'
    text = str(value).replace('"', "'")
    _REALS[text] = value
    return f'(Real "{text}")'


def _node(dag: Any, term: int) -> Node:
    """The graph that a term of egglog's stands for."""
    app = dag.get(term)
    if app.name == "Var":
        return var(_string(dag, app.args[0]))
    if app.name == "Real":
        return const(_REALS[_string(dag, app.args[0])])
    if app.name == "Rat":
        quotient = dag.get(app.args[0])
        top, bottom = (int(_string(dag, dag.get(part).args[0])) for part in quotient.args)
        return const(sp.Rational(top, bottom))
    return node(_OP_OF[app.name], *(_node(dag, arg) for arg in app.args))


def _string(dag: Any, term: int) -> str:
    return str(dag.get(term).value.value)
