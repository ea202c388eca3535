"""Helpers of emitted modules for formulas over an axis, by the name under which they are called."""

HELPERS = {
    "_summed_by_blocks": '''
def _summed_by_blocks(t):
    """The sum over the last axis: of 32 entries each, then of these sums, in float64.

    XLA computes the entries inside a short sum; for a long one it would write them to
    memory first. And fewer rounding errors add up.
    """
    length, shape = t.shape[-1], tf.shape(t)
    if length is not None and length <= 32:
        return tf.reduce_sum(t, -1, keepdims=True)
    count = shape[-1] // 32
    rest = tf.zeros([], tf.float64)
    if length is None or length % 32:
        rest = tf.reduce_sum(t[..., 32 * count :], -1, keepdims=True)
        t = t[..., : 32 * count]
    blocks = tf.reshape(t, tf.concat([shape[:-1], [count, 32]], 0))
    sums = tf.cast(tf.reduce_sum(blocks, -1), tf.float64)
    # Nothing changes here, but XLA would make one long sum of two that meet.
    sums = tf.where(tf.math.is_nan(sums), tf.constant(float("nan"), tf.float64), sums)
    total = tf.reduce_sum(sums, -1, keepdims=True) + tf.cast(rest, tf.float64)
    return tf.cast(total, t.dtype)
'''.strip(),
    "_sum": '''
def _sum(t, axis, mask):
    """The sum over ``axis`` of the entries that ``mask`` leaves in."""
    if mask is not None:
        t = tf.where(mask, t, tf.zeros_like(t))
    if axis == -1 or axis + 1 == t.shape.rank:
        return _summed_by_blocks(t)
    return tf.reduce_sum(t, axis, keepdims=True)
'''.strip(),
    "_max": '''
def _max(t, axis, mask):
    """The maximum over ``axis`` of the entries that ``mask`` leaves in."""
    if mask is not None:
        t = tf.where(mask, t, t.dtype.min)
    return tf.reduce_max(t, axis, keepdims=True)
'''.strip(),
    "_min": '''
def _min(t, axis, mask):
    """The minimum over ``axis`` of the entries that ``mask`` leaves in."""
    if mask is not None:
        t = tf.where(mask, t, t.dtype.max)
    return tf.reduce_min(t, axis, keepdims=True)
'''.strip(),
    "_first": '''
def _first(t, axis):
    """The first entry along ``axis``; none of none."""
    return tf.gather(t, tf.range(tf.minimum(tf.shape(t)[axis], 1)), axis=axis)
'''.strip(),
    "_shift": '''
def _shift(largest):
    """What exponents are shifted by: the maximum, or 0 where that is infinite."""
    return tf.where(tf.math.is_finite(largest), largest, tf.zeros_like(largest))
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
    "_scaled_sum": '''
def _scaled_sum(v, power, least, axis, mask):
    """A power of two next to the norm of v, and the sum of powers of v divided by it.

    The first is ``least`` or more. Neither overflows or vanishes: float64 holds the powers
    of float32; float64 itself is divided before, by the scale of its largest entry.
    """
    size = tf.abs(v)
    if v.dtype == tf.float64:
        scale = _scale(tf.maximum(_max(size, axis, mask), least))
        return scale, _sum(_power(size * (1.0 / scale), power), axis, mask)
    total = _sum(_power(tf.cast(size, tf.float64), power), axis, mask)
    norm = tf.cast(tf.pow(total, 1.0 / power), v.dtype)
    scale = _scale(tf.clip_by_value(norm, least, v.dtype.max))
    return scale, tf.cast(total / tf.pow(tf.cast(scale, tf.float64), power), v.dtype)
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
    "_aligned": '''
def _aligned(mask, x, axis):
    """``mask`` in the rank of x; None where it says nothing about ``axis``.

    A Keras mask has the shape (batch, time): it counts where ``axis`` is the time axis.
    """
    if mask is None:
        return None
    mask = tf.cast(tf.convert_to_tensor(mask), tf.bool)
    rank = len(x.shape)
    if len(mask.shape) == rank:
        return mask
    if axis % rank >= len(mask.shape):
        return None
    for _ in range(rank - len(mask.shape)):
        mask = tf.expand_dims(mask, -1)
    return mask
'''.strip(),
}
