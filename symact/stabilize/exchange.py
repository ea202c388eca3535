"""Exchange: fewer and cheaper forms for the same regimes, where they err no more than is borne anyway.

The dynamic programming prices each regime by itself. But of a choice both sides are computed: what
neighbours share, and a form that serves another regime as well, costs once in all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from symact.graph import steps
from symact.ops import OPS
from symact.stabilize.formats import Array
from symact.stabilize.regimes import Candidate, Regime
from symact.stabilize.simulate import cost_of

# What a choice costs besides its forms, for those who compute it and those who read it.
_CHOICE = 4.0


def exchanged(
    regimes: Sequence[Regime],
    candidates: Sequence[Candidate],
    serves: Callable[[Candidate, Regime], bool],
) -> tuple[Regime, ...]:
    """``regimes`` with the forms of neighbours exchanged for one that serves them all, as long as that
    makes the whole cheaper; neighbours of one form made one.

    Args:
        regimes: neighbours, from left to right.
        candidates: the forms that may be used.
        serves: whether a form may compute a regime.
    """
    forms = list({c.graph: c for c in [*(r.candidate for r in regimes), *candidates]}.values())
    number = {form.graph: at for at, form in enumerate(forms)}
    nodes = {n: at for at, n in enumerate({n: None for form in forms for n in steps(form.graph)})}
    prices = np.array([cost_of(n) for n in nodes])
    takes = np.zeros((len(forms), len(nodes)), bool)
    for row, form in zip(takes, forms, strict=True):
        row[[nodes[n] for n in steps(form.graph)]] = True
    chosen = [number[regime.candidate.graph] for regime in regimes]
    price = float(prices @ takes[chosen].any(axis=0)) + _CHOICE * _changes(chosen)
    cheaper = True
    while cheaper:
        cheaper = False
        for lower, first, last, form in sorted(_trials(chosen, takes, prices)):
            if lower >= price:
                break
            if all(serves(forms[form], regime) for regime in regimes[first : last + 1]):
                chosen[first : last + 1] = [form] * (last + 1 - first)
                price, cheaper = lower, True
                break
    return merged([Regime(r.low, r.high, forms[form]) for r, form in zip(regimes, chosen, strict=True)])


def _trials(
    chosen: list[int], takes: Array, prices: Array
) -> Iterator[tuple[float, int, int, int]]:
    """What the whole costs if one form takes over from one regime to another: that price, both, and it."""
    for first in range(len(chosen)):
        for last in range(first, len(chosen)):
            before, after = chosen[:first], chosen[last + 1 :]
            outside = takes[before + after].any(axis=0)
            totals = prices @ outside + (takes & ~outside) @ prices
            for form, total in enumerate(totals.tolist()):
                yield total + _CHOICE * _changes([*before, form, *after]), first, last, form


def _changes(chosen: Sequence[int]) -> int:
    return sum(one != other for one, other in pairwise(chosen))


def merged(regimes: Sequence[Regime]) -> tuple[Regime, ...]:
    """Neighbouring regimes of one form made one."""
    result: list[Regime] = []
    for regime in regimes:
        if result and result[-1].candidate.graph is regime.candidate.graph:
            result[-1] = Regime(result[-1].low, regime.high, regime.candidate)
        else:
            result.append(regime)
    return tuple(result)
