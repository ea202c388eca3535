"""Helpers of emitted modules that reduce over an axis, by the name under which they are called."""

REDUCTION_HELPERS = {
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
}
