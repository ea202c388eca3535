"""Every rule in the table is an identity: checked against Arb wherever both sides have a value."""

from __future__ import annotations

import numpy as np
import pytest
from flint import arb

from symact.convert import to_sympy
from symact.graph import var
from symact.stabilize.rules import RULES, rewrite
from symact.stabilize.truth import Truth

POINTS = np.concatenate([-np.logspace(-12, 1.5, 40), np.logspace(-12, 1.5, 40)])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rule_is_an_identity(rule):
    left, right = (Truth(to_sympy(side), "u") for side in (rule.left, rule.right))
    decided = 0
    for u in POINTS.tolist():
        for v in (-2.5, 0.0, 0.7):
            a, b = (side.ball(u, {"v": v}, 2000) for side in (left, right))
            if a.is_finite() and b.is_finite():
                decided += 1
                assert abs(a - b) <= arb(2) ** -1500 * (1 + abs(a))
    assert decided > len(POINTS)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rule_fires_on_its_own_left_side(rule):
    rewritten, fired = rewrite(rule.left)
    assert fired
    assert rewritten is not rule.left


def test_a_near_miss_is_left_alone():
    from symact.graph import node

    near_miss = node("log", 2 + var("x"))
    assert rewrite(near_miss) == (near_miss, frozenset())
