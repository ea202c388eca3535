"""Helpers of emitted modules for formulas over an axis, by the name under which they are called."""

HELPERS = {
    "_sum": '''
def _sum(t, axis, mask):
    """The sum over ``axis`` of the entries that ``mask`` leaves in."""
    if mask is not None:
        t = tf.where(mask, t, tf.zeros_like(t))
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
