"""Score: how far computed numbers are from the truth, in units in the last place."""

from __future__ import annotations

import numpy as np

from symact.stabilize.formats import Array, Format

# What a NaN or infinity counts where the truth is a number, and a number where the truth is inf:
# more than any error that finite numbers can have, so that it is never traded for accuracy.
WRONG = 2.0**80
# Errors that leave no digit.
LOST = 1e6
# Above this target finite values are all that is wanted: no digits are bought, at roots or elsewhere.
ROUGH = 256.0


def ulp_error(computed: Array, truth: Array, remainder: Array, fmt: Format) -> Array:
    """The error of ``computed`` against ``truth + remainder``, in ULP of the truth in ``fmt``.

    Args:
        computed: results, numbers of ``fmt`` as float64.
        truth: the exact values' leading part; NaN where there is none.
        remainder: what is left of the exact values.
        fmt: the format whose unit counts.

    Returns:
        Errors ≥ 0. 0 where the truth is undefined; where the truth lies below the normal range and the
        result is zero or below it too (TensorFlow flushes such numbers to zero); and where the truth
        rounds to ±inf and the result is that. ``WRONG`` where one of the two is not finite.
    """
    with np.errstate(all="ignore"):
        limit = fmt.max + float(fmt.ulp(np.float64(fmt.max))) / 2 if fmt.digits < 53 else fmt.max
        overflows = np.abs(truth) > limit
        error = np.abs((computed - truth) - remainder) / fmt.ulp(truth)
        tiny = (np.abs(truth) < fmt.min_normal * (1 + 64 * fmt.epsilon)) & (
            np.abs(computed) <= fmt.min_normal
        )
        if not fmt.gradual:
            error = np.where(tiny, 0.0, error)
        error = np.where(np.isfinite(computed), np.minimum(error, WRONG / 2), WRONG)
        infinite = np.isinf(computed) & (np.sign(computed) == np.sign(truth))
        # At the edge of the range one rounding decides between the largest number and infinity.
        near_the_edge = np.abs(truth) > fmt.max * (1 - 16 * fmt.epsilon)
        right = (overflows & infinite) | (near_the_edge & (infinite | (error < 64)))
        error = np.where(right, 0.0, np.where(overflows, WRONG, error))
        return np.where(np.isnan(truth), 0.0, error)


def bits_of_error(ulps: Array) -> Array:
    """Herbie's measure, log2 of one more than the error in ULP."""
    return np.asarray(np.log2(1.0 + np.maximum(ulps, 0.0)))
