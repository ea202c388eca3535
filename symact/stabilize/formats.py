"""Floating-point formats: their limits, and their numbers in order.

Numbers of a format are held as float64 arrays, which contain those of every narrower format exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# The bits of float64 that hold the exponent, and its largest power of two.
_EXPONENT, _LARGEST_POWER = np.int64(0x7FF << 52), 2.0**1023


@dataclass(frozen=True)
class Format:
    """A binary format that TensorFlow computes in.

    Attributes:
        name: TensorFlow's name of the dtype.
        dtype: the NumPy type of its numbers.
        integer: the integer type of its bit pattern.
        digits: length of the significand in bits, the hidden one included.
        smallest_exponent: exponent e of the smallest normal number 2**e.
        max: its largest finite number.
        gradual: whether TensorFlow keeps its subnormal numbers, rather than flush them to zero.
        working: the format that is computed in where it is another one; results are rounded at the end.
    """

    name: str
    dtype: Any
    integer: Any
    digits: int
    smallest_exponent: int
    max: float
    gradual: bool = False
    working: Format | None = None

    @property
    def min_normal(self) -> float:
        """The smallest positive normal number."""
        return float(2.0**self.smallest_exponent)

    @property
    def epsilon(self) -> float:
        """Half a unit in the last place of 1: the relative error of one rounding."""
        return float(2.0**-self.digits)

    def round(self, values: Array | np.float64 | float) -> Array:
        """``values`` rounded to the format; overflow to ±inf, below the normal range to ±0."""
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return self.nearest(np.asarray(values, np.float64))

    def nearest(self, values: Array) -> Array:
        """As ``round``, where NumPy's warnings are off already."""
        rounded = values if self.dtype is np.float64 else values.astype(self.dtype).astype(np.float64)
        # A product with false keeps the sign, and NaN.
        return rounded if self.gradual else rounded * ~(np.abs(rounded) < self.min_normal)

    def ordinal(self, values: Any) -> npt.NDArray[np.int64]:
        """Position of each number in the order of the format's numbers; 0 for zero."""
        bits = np.asarray(values).astype(self.dtype).view(self.integer).astype(np.int64)
        lowest = np.int64(np.iinfo(self.integer).min)
        return np.asarray(np.where(bits < 0, lowest - bits, bits), np.int64)

    def number(self, ordinals: Any) -> Array:
        """The numbers at the given positions: the inverse of ``ordinal``."""
        lowest = np.int64(np.iinfo(self.integer).min)
        positions = np.asarray(ordinals, np.int64)
        bits = np.where(positions < 0, lowest - positions, positions).astype(self.integer)
        return np.asarray(bits.view(self.dtype).astype(np.float64))

    def before(self, number: float) -> float:
        """The next smaller number."""
        return float(self.number(self.ordinal(number) - 1))

    def ulp(self, values: Array | np.float64 | float) -> Array:
        """The unit in the last place at each value; at least that of the smallest normal number."""
        # The exponent's bits alone are the power of two below a number.
        powers = (np.asarray(values, np.float64).view(np.int64) & _EXPONENT).view(np.float64)
        within = np.minimum(np.maximum(powers, self.min_normal), _LARGEST_POWER)
        return np.asarray(within * 2.0 ** (1 - self.digits))


FLOAT32 = Format("float32", np.float32, np.int32, 24, -126, float(np.finfo(np.float32).max))
FLOAT64 = Format("float64", np.float64, np.int64, 53, -1022, float(np.finfo(np.float64).max))
# What symact searches forms for; the two below compute in float32 and round once.
FORMATS = {"float32": FLOAT32, "float64": FLOAT64}
# And where no form in float32 is accurate: numbers of float32, computed with in float64.
FLOAT32_IN_FLOAT64 = replace(FLOAT32, working=FLOAT64)
FLOAT16 = Format("float16", np.float16, np.int16, 11, -14, 65504.0, gradual=True)
BFLOAT16 = Format("bfloat16", ml_dtypes.bfloat16, np.int16, 8, -126, float.fromhex("0x1.fep127"))
ALL_FORMATS = {fmt.name: fmt for fmt in (FLOAT32, FLOAT64, FLOAT16, BFLOAT16)}
