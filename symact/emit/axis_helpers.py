"""Helpers of emitted modules for formulas over an axis, by the name under which they are called."""

from symact.emit.reduction_helpers import REDUCTION_HELPERS

HELPERS = {
    **REDUCTION_HELPERS,
    "_shift": '''
def _shift(largest):
    """What exponents are shifted by: the maximum, or the number next to infinity."""
    return tf.maximum(tf.minimum(largest, largest.dtype.max), largest.dtype.min)
'''.strip(),
    "_tried": '''
def _tried(cheap, fits, safe):
    """The tensors ``cheap``; unless all of ``fits``, what ``safe`` computes.

    In a loop of at most one turn, for of two branches XLA would compute both. What
    ends it is made of the condition, as ``tf.vectorized_map`` needs.
    """
    return tf.while_loop(
        lambda again, *_: again,
        lambda again, *_: (again & False, *safe()),
        (tf.logical_not(tf.reduce_all(fits)), *cheap),
    )[1:]
'''.strip(),
    "_if_many": '''
def _if_many(t, trial, plain):
    """``trial()`` where ``t`` has many entries, else ``plain()``.

    By the size at run time: the result is the same in every trace. A GPU would wait to
    hear how a trial ended.
    """
    if tf.config.list_physical_devices("GPU"):
        return plain()
    size = t.shape.num_elements()
    if size is None:
        return tf.cond(tf.size(t) < 2**16, plain, trial)
    return trial() if size >= 2**16 else plain()
'''.strip(),
    "_shifted_terms": '''
def _shifted_terms(t, axis, mask):
    """What exponents ``t`` are shifted by, the sum of the exponentials, and these.

    Those of many entries are summed as they are, and the maximum is looked for only
    where a sum is out of range.
    """

    def by_maximum():
        shift = _shift(_max(t, axis, mask))
        e = tf.exp(t - shift)
        return shift, _sum(e, axis, mask), e

    def as_they_are():
        e = tf.exp(t)
        total = _sum(e, axis, mask)
        fits = (total > 0.5) & (total < 2.0**100)
        return _tried((tf.zeros_like(total), total, e), fits, by_maximum)

    return _if_many(t, as_they_are, by_maximum)
'''.strip(),
    "_centred_sum": '''
def _centred_sum(t, axis, mask):
    """``_shifted_sum``, by the maximum or by a shift next to the logarithm of the sum.

    The few terms of a short sum have small logarithms, for which the first is better.
    """
    if t.shape[axis] is not None and t.shape[axis] <= 32:
        return _sum_by_maximum(t, axis, mask)
    shift, total = _shifted_sum(t, axis, mask)
    # A shift that is not 0 was the maximum; more would be lost in that.
    more = tf.where(tf.equal(shift, 0.0), tf.round(tf.math.log(total)), 0.0)
    return shift + more, total * tf.exp(-more)
'''.strip(),
    "_shifted_sum": '''
def _shifted_sum(t, axis, mask):
    """What exponents ``t`` are shifted by, and the sum of the exponentials.

    Those of many entries are summed as they are, and the maximum is looked for only
    where a sum is out of range.
    """

    def by_maximum():
        return _sum_by_maximum(t, axis, mask)

    def as_they_are():
        total = _sum(tf.exp(t), axis, mask)
        fits = (total > 0.5) & (total < 2.0**40)
        return _tried((tf.zeros_like(total), total), fits, by_maximum)

    return _if_many(t, as_they_are, by_maximum)
'''.strip(),
    "_sum_by_maximum": '''
def _sum_by_maximum(t, axis, mask):
    """The maximum, by which exponents ``t`` are shifted, and the exponentials' sum."""
    shift = _shift(_max(t, axis, mask))
    return shift, _sum(tf.exp(t - shift), axis, mask)
'''.strip(),
    "_scale": '''
def _scale(largest):
    """The largest power of two up to ``largest``; 1 where that is 0 or infinite.

    The largest of all has no normal reciprocal, and is halved.
    """
    wide = largest.dtype == tf.float64
    bits = tf.bitcast(largest, tf.int64 if wide else tf.int32)
    exponent = tf.bitwise.bitwise_and(bits, 0x7FF << 52 if wide else 0xFF << 23)
    scale = tf.bitcast(exponent, largest.dtype)
    scale = tf.minimum(scale, 2.0**1022 if wide else 2.0**126)
    return tf.where((scale > 0.0) & tf.math.is_finite(largest), scale, 1.0)
'''.strip(),
    "_power": '''
def _power(size, exponent):
    """``size`` to the ``exponent``; a square without a logarithm."""
    return tf.square(size) if exponent == 2.0 else tf.pow(size, exponent)
'''.strip(),
    "_scaled_squares": '''
def _scaled_squares(v, least, axis, mask):
    """``_scaled_sum`` of squares, in float32 where the sums are far from its ends."""
    count = v.shape[axis]
    blocks = _in_blocks(v, axis) and count is not None and count > 32
    if v.dtype == tf.float64 or not blocks:
        return _scaled_sum(v, 2.0, least, axis, mask)
    total = tf.cast(_sum(tf.square(v), axis, mask), tf.float64)
    fits = (total > 2.0**-64) & (total < 2.0**120)
    (total,) = _tried((total,), fits, lambda: (_wide_sum(v, 2.0, axis, mask),))
    return _scaled(total, 2.0, least, v.dtype)
'''.strip(),
    "_scaled_sum": '''
def _scaled_sum(v, power, least, axis, mask):
    """A power of two next to the norm of v, and the sum of powers of v divided by it.

    The first is ``least`` or more. Neither overflows or vanishes: float64 holds the
    powers of float32; float64 itself is divided before, by its largest entry's scale.
    """
    if v.dtype != tf.float64:
        return _scaled(_wide_sum(v, power, axis, mask), power, least, v.dtype)
    size = tf.abs(v)
    scale = _scale(tf.maximum(_max(size, axis, mask), least))
    return scale, _sum(_power(size * (1.0 / scale), power), axis, mask)
'''.strip(),
    "_wide_sum": '''
def _wide_sum(v, power, axis, mask):
    """The sum of powers of v in float64."""
    return _sum(_power(tf.abs(tf.cast(v, tf.float64)), power), axis, mask)
'''.strip(),
    "_scaled": '''
def _scaled(total, power, least, dtype):
    """A power of two next to a norm, ``least`` or more, and ``total`` divided by it."""
    norm = tf.sqrt(total) if power == 2.0 else tf.pow(total, 1.0 / power)
    scale = _scale(tf.clip_by_value(tf.cast(norm, dtype), least, dtype.max))
    return scale, tf.cast(total / tf.pow(tf.cast(scale, tf.float64), power), dtype)
'''.strip(),
    "_masked": '''
def _masked(t, mask):
    """``t`` with 0 for the entries that ``mask`` leaves out."""
    return t if mask is None else tf.where(mask, t, tf.zeros_like(t))
'''.strip(),
    "_length": '''
def _length(x, axis, mask):
    """The number of entries along ``axis`` that ``mask`` leaves in."""
    if mask is None:
        return tf.cast(tf.shape(x)[axis], x.dtype)
    counted = tf.cast(tf.broadcast_to(mask, tf.shape(x)), x.dtype)
    return tf.reduce_sum(counted, axis, keepdims=True)
'''.strip(),
    "_position": '''
def _position(x, axis):
    """The place of each entry along ``axis``, in the shape that broadcasts with x."""
    places = tf.range(tf.shape(x)[axis])
    ones = tf.ones([tf.rank(x)], tf.int32)
    where = tf.reshape(axis % tf.rank(x), [1, 1])
    shape = tf.tensor_scatter_nd_update(ones, where, [tf.size(places)])
    return tf.cast(tf.reshape(places, shape), x.dtype)
'''.strip(),
    "_axis_of": '''
def _axis_of(x, axis):
    """``axis`` counted from the last, as it is for parameters of fewer axes as well."""
    if isinstance(axis, bool) or not hasattr(axis, "__index__"):
        raise ValueError(f"axis must be a whole number, not {axis!r}")
    rank = x.shape.rank
    if rank is None:
        return int(axis)
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} is out of range for an input of rank {rank}")
    return int(axis) % rank - rank
'''.strip(),
    "_result_shape": '''
def _result_shape(axis, *tensors):
    """What is known of a result's shape, which the loop hides; less any ``axis``."""
    shape = tensors[0].shape
    for t in tensors[1:]:
        shape = tf.broadcast_static_shape(shape, t.shape)
    if axis is None or shape.rank is None:
        return shape
    sizes = shape.as_list()
    sizes[axis] = 1
    return sizes
'''.strip(),
    "_along": '''
def _along(parameter, x, axis):
    """``parameter`` with an entry for each of ``axis``, for sums to count them all.

    One that has a single axis lies along it.
    """
    ones = tf.ones([-axis - 1], tf.int32)
    if parameter.shape.rank == 1:
        parameter = tf.reshape(parameter, tf.concat([tf.shape(parameter), ones], 0))
    shape = tf.concat([[tf.shape(x)[axis]], ones], 0)
    shape = tf.broadcast_dynamic_shape(tf.shape(parameter), shape)
    return tf.broadcast_to(parameter, shape)
'''.strip(),
    "_aligned": '''
def _aligned(mask, x, axis):
    """``mask`` in the rank of x.

    One of fewer axes is a Keras mask (batch, time), if it has ``axis``, which is the
    time axis then; else ``axis`` is the last, and the mask the same for all before.
    """
    if mask is None:
        return None
    mask = tf.cast(tf.convert_to_tensor(mask), tf.bool)
    rank, given = len(x.shape), len(mask.shape)
    if axis % rank < given and _fits(mask, x.shape[:given]):
        return tf.reshape(mask, tf.concat([tf.shape(mask), [1] * (rank - given)], 0))
    if axis == -1 and 0 < given < rank and _fits(mask, x.shape[rank - given :]):
        return tf.reshape(mask, tf.concat([[1] * (rank - given), tf.shape(mask)], 0))
    raise ValueError(
        f"a mask of shape {tuple(mask.shape)} does not fit axis {axis} of an input "
        f"of shape {tuple(x.shape)}"
    )
'''.strip(),
    "_time_mask": '''
def _time_mask(mask, x, axis):
    """A Keras mask (batch, time); None where it says nothing about ``axis``."""
    if mask is None:
        return None
    mask, rank = tf.convert_to_tensor(mask), len(x.shape)
    given = len(mask.shape)
    if given < rank and axis % rank >= given and _fits(mask, x.shape[:given]):
        return None
    return mask
'''.strip(),
    "_fits": '''
def _fits(mask, shape):
    """Whether ``mask`` can be broadcast to ``shape``, as far as that is known."""
    if len(mask.shape) != len(shape):
        return False
    return all(m in (1, n, None) or n is None for m, n in zip(mask.shape, shape))
'''.strip(),
}
