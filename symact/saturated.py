"""Saturated: whether a formula over an axis needs its sums' largest terms apart from the others.

It takes another pass over the elements, and shows only where one term is almost all of a sum: both forms
are evaluated there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from symact.formula import Formula
from symact.graph import Node
from symact.stabilize.formats import FLOAT64
from symact.width import errors, levels_at, saturated_samples

# In ULP of float32 of the largest element.
_BEARABLE = 16.0


def needs_leading_terms(
    formula: Formula, plain: Sequence[Sequence[Node]], leading: Sequence[Sequence[Node]]
) -> bool:
    """Whether value or VJP of the graphs ``plain`` lack digits there that those of ``leading`` have.

    Args:
        formula: for the names of inputs and parameters, their domain and defaults.
        plain: by level, the graphs for float64 of the value and its VJP.
        leading: the same with the largest terms apart.
    """
    values = saturated_samples(formula)
    nothing = np.zeros((1, 1))
    shows = False
    with np.errstate(all="ignore"):
        pairs = zip(levels_at(plain, values, FLOAT64), levels_at(leading, values, FLOAT64), strict=True)
        for found, truths in pairs:
            for result, truth in zip(found, truths, strict=True):
                if (np.isnan(truth) & ~np.isnan(result)).any():
                    return False
                shows = shows or bool(errors(result, truth, nothing).max() > _BEARABLE)
    return shows
