"""Cache: what a search found, kept on disk, so that a formula is searched for once.

An entry is named by a hash of everything that decides it: the function, its options and the source of
the stabilizer itself. It holds a checksum of its own text; one that is damaged, or that another version
wrote, is as good as none and is written anew. Entries are written to a temporary file and renamed, so
that processes may share a cache.

The folder is ``$SYMACT_CACHE_DIR``, or symact's own in the user's cache folder; with
``SYMACT_CACHE_DIR=off`` nothing is read or written.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import sympy as sp
from platformdirs import user_cache_path

from symact.expressions import dag
from symact.grammar import parse_text
from symact.graph import FALSE, TRUE, Node, const, node, var, walk
from symact.stabilize.problem import Score
from symact.stabilize.regimes import Candidate, Regime
from symact.stabilize.stable import Stable
from symact.version import __version__

_VARIABLE = "SYMACT_CACHE_DIR"


def load(key: str) -> Stable | None:
    """The entry of that name; None where there is none that is whole."""
    folder = _folder()
    if folder is None:
        return None
    try:
        checksum, _, text = (folder / f"{key}.json").read_text(encoding="utf-8").partition("\n")
        if checksum != _checksum(text):
            return None
        return _decoded(json.loads(text))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def store(key: str, stable: Stable) -> None:
    """Keep ``stable``; a cache that cannot be written to is no error."""
    folder = _folder()
    if folder is None:
        return
    text = json.dumps(_encoded(stable))
    temporary = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".writing-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f"{_checksum(text)}\n{text}")
        os.replace(temporary, folder / f"{key}.json")
    except OSError:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def key(*parts: object) -> str:
    """The name of an entry: a hash of ``parts``, told apart by ``repr`` (SymPy's ``srepr``)."""
    texts = [_described(part) for part in parts]
    return hashlib.sha256("\n".join([_fingerprint(), *texts]).encode()).hexdigest()[:40]


def _described(part: object) -> str:
    """Text for an expression that costs its distinct parts, and not its tree."""
    if not isinstance(part, sp.Basic):
        return repr(part)
    numbered: dict[sp.Basic, int] = {}
    lines = []
    for current in dag(part):
        arguments = " ".join(str(numbered[arg]) for arg in current.args)
        lines.append(f"{type(current).__name__} {arguments or sp.srepr(current)}")
        numbered[current] = len(numbered)
    return "\n".join(lines)


def _folder() -> Path | None:
    chosen = os.environ.get(_VARIABLE)
    if chosen == "off":
        return None
    return Path(chosen) if chosen else user_cache_path("symact", appauthor=False)


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _fingerprint() -> str:
    """The version, and a hash of the code that decides what is found."""
    digest = hashlib.sha256(f"{__version__} sympy {sp.__version__}".encode())
    package = Path(__file__).parent
    for path in sorted([*package.glob("*.py"), *package.parent.glob("*.py"), *package.parent.glob("*.toml")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _encoded(stable: Stable) -> dict[str, Any]:
    candidates = [regime.candidate for regime in stable.regimes]
    graphs = [stable.graph, *(c.graph for c in candidates), *(c.origin for c in candidates if c.origin)]
    numbered: dict[Node, int] = {}
    rows: list[list[Any]] = []
    for current in walk(graphs):
        value = str(current.value) if current.op == "const" else current.name
        rows.append([current.op, [numbered[arg] for arg in current.args], value])
        numbered[current] = len(numbered)
    return {
        "nodes": rows,
        "graph": numbered[stable.graph],
        "regimes": [
            [
                regime.low.hex(),
                regime.high.hex(),
                regime.candidate.name,
                numbered[regime.candidate.graph],
                sorted(regime.candidate.rules),
                numbered[regime.candidate.origin] if regime.candidate.origin else None,
            ]
            for regime in stable.regimes
        ],
        "parity": stable.parity,
        "scores": [[s.worst, s.at, s.mean_bits] for s in (stable.before, stable.after)],
        "weak": [list(interval) for interval in stable.weak],
        "excess": stable.excess,
        "in_float64": stable.in_float64,
    }


def _decoded(entry: dict[str, Any]) -> Stable:
    nodes: list[Node] = []
    for op, arguments, value in entry["nodes"]:
        if op == "const":
            nodes.append(const(_number(value)))
        elif op == "var":
            nodes.append(var(value))
        elif op in ("true", "false"):
            nodes.append(TRUE if op == "true" else FALSE)
        else:
            nodes.append(node(op, *(nodes[i] for i in arguments)))
    regimes = tuple(
        Regime(
            float.fromhex(low),
            float.fromhex(high),
            Candidate(name, nodes[graph], frozenset(rules), None if origin is None else nodes[origin]),
        )
        for low, high, name, graph, rules, origin in entry["regimes"]
    )
    before, after = (Score(*score) for score in entry["scores"])
    weak = tuple((low, high, worst) for low, high, worst in entry["weak"])
    return Stable(
        nodes[entry["graph"]],
        regimes,
        entry["parity"],
        before,
        after,
        weak,
        entry["excess"],
        entry["in_float64"],
    )


def _number(text: str) -> sp.Expr:
    """An exact number from SymPy's spelling of it, by symact's own grammar: never evaluated as Python."""
    with contextlib.suppress(ValueError, TypeError):  # SymPy raises the one or the other
        return sp.Rational(text)
    return sp.nan if text == "nan" else parse_text(text)
