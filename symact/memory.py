"""Memory: which results XLA writes to it, and which it is better made to write.

Where a model is compiled as a whole XLA makes a kernel of each result and of each reduction, with all that
they take. What is cheap it computes in every kernel that takes it; what is expensive and taken by several it
computes once, writes to memory and reads again (``InstructionFusion::ShouldFuse``). A choice between a
quotient and an exponential is cheap by that rule: both are written, and read by all kernels that choose.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from symact.casts import CASTS, wide_nodes
from symact.graph import Node, const, node, rebuild, variables, walk
from symact.ops import OPS
from symact.reduced import REDUCING

# What XLA calls expensive costs so much at least.
_EXPENSIVE = 4
# Operations that take no longer than memory does.
_QUICK = ("add", "sub", "mul", "neg")
_QUICK_TO_READ = (*_QUICK, *CASTS, "var", "const")
# What it takes to have a result written, in arrays read or written: where it is made a quotient and where
# it is a quotient of choices anyway; by whether it is in float64. Measured on two processors.
_MARKED = {False: 4, True: 10}
_QUOTIENT = {False: 2, True: 8}


def is_written(current: Node, tensors: Collection[str]) -> bool:
    """Whether XLA would write ``current`` to memory, if it is used more than once in one kernel even.

    That is what it does with expensive operations on more than one array, however many kernels use them
    (``InstructionFusion::ComputeGloballyUnfusible``).
    """
    if not _is_expensive(current):
        return False
    arrays = [variables(arg).intersection(tensors) for arg in current.args]
    return sum(map(bool, arrays)) > 1 or len(frozenset().union(*arrays)) > 1


def doubled(levels: Sequence[Sequence[Node]], inputs: Collection[str]) -> set[Node]:
    """What backward computes as forward does, in no time, of arrays that take half its memory.

    XLA writes what is computed from several arrays to memory once, where a model is compiled as a
    whole: here in float64, of arrays in float32.

    Args:
        levels: the results of forward, and those of backward.
        inputs: the names of the inputs.
    """
    value, gradients = levels[0], levels[1]
    shared = {*walk(value)} & {*walk(gradients)} & wide_nodes(value)
    several = (n for n in shared if len(variables(n).intersection(inputs)) > 1)
    return {n for n in several if n.op in _QUICK and all(m.op in _QUICK_TO_READ for m in walk([n]))}


def stored(results: Iterable[Node], arrays: Collection[str]) -> dict[Node, Node]:
    """Cheap results that XLA had better write to memory than what they are made of.

    Args:
        results: what forward and backward give.
        arrays: the names of the variables that have an element for each of the input.

    Returns:
        By node what gives the same and is expensive to XLA, so that it is written where several kernels
        take it.
    """
    kernels = _Kernels.of(tuple(results), arrays)
    found: dict[Node, Node] = {}
    least = kernels.traffic(found)
    while True:
        trials = [{**found, n: _expensive(n)} for n in kernels.shared(found)]
        costs = [*map(kernels.traffic, trials)]
        if min(costs, default=least) >= least:
            return kernels.in_terms_of_each_other(found)
        least = min(costs)
        found = trials[costs.index(least)]


def _expensive(current: Node) -> Node:
    """``current`` as a quotient: of choices where it chooses between quotients, or marked as one."""
    numerator, denominator = _fraction(current)
    return node("stored", current) if denominator.op == "const" else numerator / denominator


def _fraction(current: Node) -> tuple[Node, Node]:
    if current.op == "div" and current.args[1].op != "const":
        return current.args[0], current.args[1]
    if current.op != "where":
        return current, const(1)
    condition, *branches = current.args
    (above, below), (above2, below2) = map(_fraction, branches)
    if below == below2:
        return (current, below) if below.op == "const" else (node("where", condition, above, above2), below)
    return node("where", condition, above, above2), node("where", condition, below, below2)


@dataclass(frozen=True)
class _Kernels:
    """The kernels that XLA makes of ``results``.

    Attributes:
        results: what is computed.
        order: all nodes, each before those that it takes.
        arrays: the nodes with an element for each of the input.
        wide: those in float64.
        users: for each node those that take it.
    """

    results: tuple[Node, ...]
    order: tuple[Node, ...]
    arrays: frozenset[Node]
    wide: frozenset[Node]
    users: dict[Node, list[Node]]

    @classmethod
    def of(cls, results: tuple[Node, ...], names: Collection[str]) -> _Kernels:
        order = tuple(walk(results))
        arrays: set[Node] = set()
        users: dict[Node, list[Node]] = {current: [] for current in order}
        for current in order:
            is_array = current.name in names or not arrays.isdisjoint(current.args)
            if is_array and current.op not in (*REDUCING, "first"):
                arrays.add(current)
            for arg in {*current.args}:
                users[arg].append(current)
        return cls(results, order[::-1], frozenset(arrays), frozenset(wide_nodes(results)), users)

    def shared(self, chosen: Collection[Node]) -> list[Node]:
        """Cheap arrays that several kernels take, but for ``chosen``, made of more that is written.

        What a single cheap one is made of is no better to write than that one.
        """
        taken_by = self._taken_by(chosen)
        written: dict[Node, frozenset[Node]] = {}
        found = []
        for current in reversed(self.order):
            if current not in taken_by:
                continue
            below = frozenset[Node]().union(*(written.get(arg, frozenset()) for arg in current.args))
            is_written = self._is_written(current, taken_by[current], chosen)
            written[current] = frozenset([current]) if is_written else below
            if is_written or len(taken_by[current]) < 2 or not current.args or OPS[current.op].boolean:
                continue
            size, users = self._size([current]), self.users[current]
            is_inside = len(users) == 1 and current not in self.results
            if is_inside and not _is_expensive(users[0]) and self._size(users) <= size:
                continue
            if self._size(below) > size:
                found.append(current)
        return found

    def _size(self, arrays: Collection[Node]) -> int:
        return sum(2 if current in self.wide else 1 for current in arrays)

    def traffic(self, chosen: dict[Node, Node]) -> int:
        """How many arrays in float32 go to memory and back, less the results, and what ``chosen`` cost.

        One in float64 counts twice.
        """
        total = 0
        for current, kernels in self._taken_by(chosen).items():
            is_wide = current in self.wide
            if current.op == "var" or self._is_written(current, kernels, chosen):
                total += (len(kernels) + (current.op != "var")) * self._size([current])
            if current in chosen:
                total += (_MARKED if chosen[current].op == "stored" else _QUOTIENT)[is_wide]
        return total

    def in_terms_of_each_other(self, chosen: dict[Node, Node]) -> dict[Node, Node]:
        """``chosen``, also inside of what they are exchanged for."""
        found: dict[Node, Node] = {}
        for current in reversed(self.order):
            if current in chosen:
                found[current] = rebuild(chosen[current], found)
        return found

    def _taken_by(self, chosen: Collection[Node]) -> dict[Node, frozenset[Node]]:
        """For each array the kernels that take it, each by what it gives, where ``chosen`` are written."""
        taken_by: dict[Node, frozenset[Node]] = {}
        for current in self.order:
            if current not in self.arrays:
                continue
            kernels = frozenset([current] if current in self.results else [])
            for user in self.users[current]:
                is_end = user not in self.arrays or self._is_written(user, taken_by[user], chosen)
                kernels |= {user} if is_end else taken_by[user]
            taken_by[current] = kernels
        return taken_by

    def _is_written(self, current: Node, kernels: frozenset[Node], chosen: Collection[Node]) -> bool:
        return len(kernels) > 1 and (current in chosen or _is_expensive(current))


def _is_expensive(current: Node) -> bool:
    if not current.args or OPS[current.op].exact or OPS[current.op].cost < _EXPENSIVE:
        return False
    # XLA multiplies by the reciprocal.
    return current.op != "div" or current.args[1].op != "const"
