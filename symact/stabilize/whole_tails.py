"""Whole tails: one series for half of the line, of a function that falls exponentially there."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from symact.stabilize import charts
from symact.stabilize.asymptotics import growth, tail_power
from symact.stabilize.cover import FAR_OUT, NEAR_ZERO, Ground, last_normal
from symact.stabilize.regimes import Candidate

# Where the variable of such a series is 0, as shares of where the tail ends.
_MIDDLES = (0.0625, 0.125, 0.25, 0.5)


def whole_tails(ground: Ground, side: int) -> Iterator[Candidate]:
    """Exponential tails that reach from 0, with the power there, to where the function vanishes."""
    power = growth(ground.truth, side, True)
    far = abs(last_normal(ground, side * NEAR_ZERO, side * FAR_OUT))
    if power is None or power.q != 1 or far == FAR_OUT or any(0 <= cut * side < far for cut in ground.cuts):
        return
    for exponent in ground.tails(side):
        last = tail_power(ground.truth, side, exponent)
        powers = {p for p in (power, last) if p is not None and p.q == 1}
        for at_infinity, share in product(sorted(powers), _MIDDLES):
            ends, middle = (power, at_infinity), charts.short(share * far)
            chart = charts.whole_tail(ground.name, side * far, exponent, ends, ground.fmt, middle)
            graph = ground.fit(chart)
            if graph is not None:
                yield Candidate("exponential tail", graph)
