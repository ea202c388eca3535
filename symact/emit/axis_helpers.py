"""Helpers of emitted modules for formulas over an axis, by the name under which they are called."""

HELPERS = {
    "_blocks": '''
def _blocks(t, depths):
    """``t`` with its last axis cut into blocks, and what is left over or None.

    Its axes are [groups, count, depth, lanes] then; the depth is that of ``depths``
    which leaves the fewest, the first of several. XLA computes the entries inside a
    short reduction, several at a time; for a long one it would write them to memory
    first. The sums of more than 32 blocks it would add up one by one: they come in
    groups, where the length is known.
    """
    length, shape = t.shape[-1], tf.shape(t)
    depth, lanes, groups = 4, 32, 1
    if length is not None:
        lanes = 32 if length >= 256 else 8
        depth = min(depths, key=lambda depth: length % (lanes * depth))
    count = (shape[-1] if length is None else length) // (lanes * depth)
    if length is not None and count > 32:
        groups = count // max(size for size in range(1, 33) if count % size == 0)
    whole, rest = count * lanes * depth, None
    if length is None or whole < length:
        t, rest = t[..., :whole], t[..., whole:]
    cut = [groups, count // groups, depth, lanes]
    return tf.reshape(t, tf.concat([shape[:-1], cut], 0)), rest
'''.strip(),
    "_summed_by_blocks": '''
def _summed_by_blocks(t):
    """The sum over the last axis: of blocks, then in float64, for fewer roundings."""
    if t.shape[-1] is not None and t.shape[-1] <= 32:
        return tf.reduce_sum(t, -1, keepdims=True)
    blocks, rest = _blocks(t, (4, 3, 2))
    sums = tf.cast(tf.reduce_sum(blocks, -2), tf.float64)
    # XLA would make one long sum of two that meet.
    total = tf.reduce_sum(_rounded(sums), [-2, -1])
    if total.shape[-1] != 1:
        total = tf.reduce_sum(_rounded(total), -1, keepdims=True)
    if rest is not None:
        total += tf.cast(tf.reduce_sum(rest, -1, keepdims=True), tf.float64)
    return tf.cast(total, t.dtype)
'''.strip(),
    "_extremum_by_blocks": '''
def _extremum_by_blocks(reduce, t):
    """The extremum over the last axis by ``reduce``, of blocks and then of theirs."""
    if t.shape[-1] is not None and t.shape[-1] <= 32:
        return reduce(t, -1, keepdims=True)
    blocks, rest = _blocks(t, (16, 8, 4, 3, 2))
    # Two extrema of one kind XLA would make one long reduction of.
    other = tf.reduce_min if reduce is tf.reduce_max else tf.reduce_max
    found = -other(-reduce(blocks, -2), [-3, -2, -1])[..., tf.newaxis]
    if rest is None:
        return found
    return reduce(tf.concat([found, reduce(rest, -1, keepdims=True)], -1), -1, keepdims=True)
'''.strip(),
    "_summed_by_fours": '''
def _summed_by_fours(t, axis):
    """The sum over another axis than the last: of four entries, then in float64.

    A GPU's own is as good.
    """
    length = t.shape[axis] if t.shape.rank is not None else None
    # float32 loses little in short sums; those in float64 are twice as fast like this.
    is_short = length is not None and length <= (32 if t.dtype == tf.float64 else 1024)
    if is_short or tf.config.list_physical_devices("GPU"):
        return tf.reduce_sum(t, axis, keepdims=True)
    axis, shape = axis % tf.rank(t), tf.shape(t)
    before, length, after = shape[:axis], shape[axis], shape[axis + 1 :]
    outer, count, inner = tf.reduce_prod(before), length // 4, tf.reduce_prod(after)
    t = tf.reshape(t, [outer, length, inner])
    fours = tf.reshape(t[:, : 4 * count], [outer, count, 4, inner])
    sums = tf.cast(tf.reduce_sum(fours, 2), tf.float64)
    total = tf.reduce_sum(_rounded(sums), 1)
    total += tf.cast(tf.reduce_sum(t[:, 4 * count :], 1), tf.float64)
    return tf.reshape(tf.cast(total, t.dtype), tf.concat([before, [1], after], 0))
'''.strip(),
    "_in_blocks": '''
def _in_blocks(t, axis):
    """Whether ``t`` is reduced over ``axis`` by blocks; a GPU's own are as good."""
    last = axis == -1 or axis + 1 == t.shape.rank
    return last and not tf.config.list_physical_devices("GPU")
'''.strip(),
    "_sum": '''
def _sum(t, axis, mask):
    """The sum over ``axis`` of the entries that ``mask`` leaves in."""
    if mask is not None:
        t = tf.where(mask, t, tf.zeros_like(t))
    if _in_blocks(t, axis):
        return _summed_by_blocks(t)
    return _summed_by_fours(t, axis)
'''.strip(),
    "_max": '''
def _max(t, axis, mask):
    """The maximum over ``axis`` of the entries that ``mask`` leaves in."""
    if mask is not None:
        t = tf.where(mask, t, t.dtype.min)
    if _in_blocks(t, axis):
        return _extremum_by_blocks(tf.reduce_max, t)
    return tf.reduce_max(t, axis, keepdims=True)
'''.strip(),
    "_min": '''
def _min(t, axis, mask):
    """The minimum over ``axis`` of the entries that ``mask`` leaves in."""
    if mask is not None:
        t = tf.where(mask, t, t.dtype.max)
    if _in_blocks(t, axis):
        return _extremum_by_blocks(tf.reduce_min, t)
    return tf.reduce_min(t, axis, keepdims=True)
'''.strip(),
    "_first": '''
def _first(t, axis):
    """The first entry along ``axis``; undefined where there is none."""
    first = tf.gather(t, tf.range(tf.minimum(tf.shape(t)[axis], 1)), axis=axis)
    return first if t.shape[axis] else tf.reduce_mean(first, axis, keepdims=True)
'''.strip(),
    "_shift": '''
def _shift(largest):
    """What exponents are shifted by: the maximum, or the number next to infinity."""
    return tf.maximum(tf.minimum(largest, largest.dtype.max), largest.dtype.min)
'''.strip(),
    "_shifted_sum": '''
def _shifted_sum(t, axis, mask):
    """What exponents ``t`` are shifted by, and the sum of the exponentials.

    A processor sums those of many entries as they are, and looks for the maximum only
    where a sum is out of range: in a loop of at most one turn, for of two branches XLA
    would compute both. A GPU would wait for the loop's condition.
    """

    def by_maximum():
        shift = _shift(_max(t, axis, mask))
        return shift, _sum(tf.exp(t - shift), axis, mask)

    def as_they_are():
        total = _sum(tf.exp(t), axis, mask)
        misfit = tf.logical_not(tf.reduce_all((total > 0.5) & (total < 2.0**24)))
        return tf.while_loop(
            lambda again, *_: again,
            lambda *_: (False, *by_maximum()),
            (misfit, tf.zeros_like(total), total),
        )[1:]

    if tf.config.list_physical_devices("GPU"):
        return by_maximum()
    # By the size at run time, which XLA knows: the result is the same in every trace.
    return tf.cond(tf.size(t) < 2**21, by_maximum, as_they_are)
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

    The first is ``least`` or more. Neither overflows or vanishes: float64 holds the
    powers of float32; float64 itself is divided before, by its largest entry's scale.
    """
    size = tf.abs(v)
    if v.dtype == tf.float64:
        scale = _scale(tf.maximum(_max(size, axis, mask), least))
        return scale, _sum(_power(size * (1.0 / scale), power), axis, mask)
    total = _sum(_power(tf.cast(size, tf.float64), power), axis, mask)
    norm = tf.sqrt(total) if power == 2.0 else tf.pow(total, 1.0 / power)
    scale = _scale(tf.clip_by_value(tf.cast(norm, v.dtype), least, v.dtype.max))
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
