"""Sweep: every one of the 2**32 float32 inputs, in chunks that any process can judge alone."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import numpy as np
import sympy as sp

from symact.comparison import COLUMNS
from symact.errors import OptionError
from symact.figures import Tally, tally, total
from symact.formula import Formula
from symact.judge import Judge
from symact.stabilize.formats import FLOAT32, Array
from symact.version import __version__

_CHUNK_BITS = 22
CHUNKS = 1 << (32 - _CHUNK_BITS)
# Inputs of a call of a contender; and of a step of judging, which is to stay in the processor's cache.
_BATCH = 1 << 18
_BLOCK = 1 << 15
# What a chunk may cost: evaluations by Arb alone, intervals of the screen, near-ties in each block.
_LIMITS = {"most_single": 5_000, "most_intervals": 8_000}
_MOST_TIES = 2048


@dataclass(frozen=True)
class Job:
    """What is swept: everything that another process needs to know.

    Attributes:
        formula: whose truth is asked for; its parameters are taken at their defaults.
        source: the emitted module, which defines symact's own contender.
        against: names of functions, or callables, of the same formula.
    """

    formula: Formula
    source: str
    against: tuple[str | Callable[[Any], Any], ...] = ()

    def identity(self) -> dict[str, str]:
        """What two runs must share for the one to go on with the other's chunks: what it is → hash of it.

        A contender is its code, not only its name, and TensorFlow's kernels are part of them all.
        """
        f = self.formula
        spelled = [sp.srepr(f.expression), f.inputs, sorted(f.defaults.items()), [str(e) for e in f.domain]]
        parts = {
            "formula": json.dumps(spelled, default=str),
            "version of symact": f"{__version__} {_CHUNK_BITS}",
            "emitted source": self.source,
            "version of TensorFlow": " ".join(map(version, ("tensorflow", "keras"))),
        }
        if self.against:
            from symact.rivals import code_of, rivals

            parts |= {rival.name: code_of(rival.function) for rival in rivals(self.against)}
        return {what: hashlib.sha256(text.encode()).hexdigest()[:24] for what, text in parts.items()}

    def __hash__(self) -> int:
        return hash((self.formula.text, self.source, self.against))


@dataclass(frozen=True)
class ChunkFigures:
    """Counts over one chunk, or over all: contender → column → counts.

    Attributes:
        tallies: of the finite inputs.
        nan_lost: contender → how many NaN inputs gave a number for the value.
    """

    tallies: dict[str, dict[str, Tally]]
    nan_lost: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """In plain dicts and numbers, as a journal holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ChunkFigures:
        """What ``as_dict`` was made of."""
        tallies = {
            name: {column: Tally(**counts) for column, counts in columns.items()}
            for name, columns in data["tallies"].items()
        }
        return cls(tallies, data["nan_lost"])


def added_up(parts: list[ChunkFigures]) -> ChunkFigures:
    """The counts over all ``parts``, in their order."""
    first = parts[0]
    tallies = {
        name: {column: total(part.tallies[name][column] for part in parts) for column in columns}
        for name, columns in first.tallies.items()
    }
    return ChunkFigures(tallies, {name: sum(p.nan_lost[name] for p in parts) for name in first.nan_lost})


# Arb's precision is one setting for the whole process.
_one_at_a_time = threading.Lock()


def judge_chunk(job: Job, chunk: int) -> ChunkFigures:
    """Every input whose bit pattern lies in the chunk, judged for every contender.

    Args:
        job: what is swept.
        chunk: 0 ≤ chunk < CHUNKS; bits ``chunk << 22`` to ``(chunk + 1) << 22``.

    Raises:
        OptionError: a contender fails.
    """
    with _one_at_a_time:
        return _judged(job, chunk)


def _judged(job: Job, chunk: int) -> ChunkFigures:
    judge, contenders = _prepared(job)
    bits = np.arange(chunk << _CHUNK_BITS, (chunk + 1) << _CHUNK_BITS, dtype=np.uint32)
    points = bits.view(np.float32).astype(np.float64)
    if np.signbit(points[0]):
        points = points[::-1]
    low, high = judge.domain
    inside = np.isfinite(points) & (points > low) & (points < high)
    lost = {c.name: _nan_lost(c, points) for c in contenders}
    points = np.ascontiguousarray(points[inside])
    tallies: dict[str, dict[str, Tally]] = {c.name: {} for c in contenders}
    if not len(points):
        empty = {column: Tally() for column in COLUMNS[:2]}
        return ChunkFigures(dict.fromkeys(tallies, empty), lost)
    results = {c.name: _results(c, points) for c in contenders}
    for order, column in enumerate(COLUMNS[:2]):
        truth, known = judge.screen(order, **_LIMITS).at(points)
        for name, found in results.items():
            tallies[name][column] = _tallied(judge, order, points, truth, known, found[order])
    return ChunkFigures(tallies, lost)


def _results(contender: Any, points: Array) -> tuple[Any, ...]:
    """Value and derivative, kept in float32 to halve the memory."""
    from symact.contenders import ComparisonImpossible

    try:
        found = contender.columns(points, FLOAT32, 2, batch=_BATCH)
    except ComparisonImpossible as error:
        raise OptionError(f"cannot compare with {contender.name}: {error}") from None
    return tuple(
        np.zeros(points.shape, np.float32) if part is None else part.astype(np.float32) for part in found
    )


def _tallied(judge: Judge, order: int, points: Array, truth: Array, known: Any, results: Any) -> Tally:
    """Counts of one column of one contender, block by block."""
    parts = []
    for first in range(0, len(points), _BLOCK):
        here = slice(first, first + _BLOCK)
        x, exact, mine = points[here], truth[here], results[here].astype(np.float64)
        left_out = 0
        if not known[here].all():
            left_out = int(np.count_nonzero(~known[here]))
            x, exact, mine = (a[known[here]] for a in (x, exact, mine))
        errors, open_ = judge.errors(order, x, (exact, np.zeros(x.shape), False), mine, _MOST_TIES)
        counted = tally(x, exact, mine, errors, FLOAT32)
        parts.append(replace(counted, undecided=open_ + left_out))
    return total(parts)


def _nan_lost(contender: Any, points: Array) -> int:
    nan = np.isnan(points)
    if not nan.any():
        return 0
    (values,) = contender.columns(points[nan], FLOAT32, 1, batch=_BATCH)
    return int(np.count_nonzero(~np.isnan(values)))


@lru_cache(maxsize=2)
def _prepared(job: Job) -> tuple[Judge, list[Any]]:
    """The truth and the contenders of a job, made once in each process."""
    from symact.activation import execute
    from symact.contenders import Contender
    from symact.rivals import rivals

    function = getattr(execute(job.source, job.formula.name), job.formula.name)
    own = Contender("symact", function, judged=True)
    return Judge(job.formula, FLOAT32, columns=2), [own, *rivals(job.against)]
