"""Operators become passes over device memory: one by one, fused, or the whole network as one.

What a fused pass moves follows from its operators: a tensor that one of them makes and only the
others take is never written, and what several of them take is read once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from resprof.counting.traffic import Fusion, Moved, Op, Operator, Pass
from resprof.model.recipe import Phase

_ELEMENTWISE = {Op.BN, Op.RELU, Op.ADD, Op.PAD}


def passes(operators: Sequence[Operator], fusion: Fusion) -> tuple[Pass, ...]:
    """The passes of a call, in the order in which each begins."""
    match fusion:
        case Fusion.UNFUSED:
            return tuple(_alone(each) for each in operators)
        case Fusion.FUSED:
            return _fused(operators)
        case Fusion.WHOLE:
            return (_whole(operators),)


def _alone(operator: Operator) -> Pass:
    work = operator.work
    moved = sum(each.bytes for each in (*work.reads, *work.writes))
    return Pass(operators=(operator,), bytes=moved * operator.times)


def _fused(operators: Sequence[Operator]) -> tuple[Pass, ...]:
    groups: dict[str, list[Operator]] = {}
    takers: dict[str, set[str]] = {}
    for operator in operators:
        groups.setdefault(operator.group, []).append(operator)
        for moved in operator.work.reads:
            takers.setdefault(moved.tensor, set()).add(operator.group)
    sources = _sources(groups.values())
    found = []
    for name, group in groups.items():
        written = _largest(_of(each, each.work.writes) for each in group)
        read = _largest(_of(each, each.work.reads) for each in group)
        needed = read.keys() - written.keys()
        if group[0].phase is Phase.BACKWARD:
            needed = {each for each in needed if not _follows(each, needed, sources)}
        kept = [tensor for tensor in written if takers.get(tensor) != {name}]
        moved_bytes = sum(read[each] for each in needed) + sum(written[each] for each in kept)
        found.append(Pass(operators=tuple(group), bytes=moved_bytes))
    return tuple(found)


def _whole(operators: Sequence[Operator]) -> Pass:
    """Images and labels for each forward pass of the call, what belongs to the network once."""
    within = [each for each in operators if each.work.op is not Op.ACCUMULATE]
    written = _largest(_of(each, each.work.writes, network_once=True) for each in within)
    read = _largest(_of(each, each.work.reads, network_once=True) for each in within)
    moved = sum(size for tensor, size in read.items() if tensor not in written)
    moved += sum(size for tensor, size in written.items() if tensor not in read)
    return Pass(operators=tuple(operators), bytes=moved)


def _sources(groups: Iterable[Sequence[Operator]]) -> dict[str, set[str]]:
    """From which maps the map was computed, for those that are computed element by element."""
    found: dict[str, set[str]] = {}
    for group in groups:
        if group[0].phase is Phase.FORWARD and all(e.work.op in _ELEMENTWISE for e in group):
            made = _maps(moved for each in group for moved in each.work.writes)
            read = _maps(moved for each in group for moved in each.work.reads)
            found |= dict.fromkeys(made, read - made)
    return found


def _maps(moves: Iterable[Moved]) -> set[str]:
    return {moved.tensor for moved in moves if moved.of_images}


def _follows(tensor: str, read: set[str], sources: dict[str, set[str]]) -> bool:
    """Whether the pass need not read it because it reads all that it was computed from.

    So the gradient of a ReLU needs no look at its result where batch norm's input is at hand.
    """
    return tensor in sources and sources[tensor] <= read - {tensor}


def _of(
    operator: Operator, moves: Iterable[Moved], *, network_once: bool = False
) -> Iterator[tuple[str, int]]:
    """Tensors and what the operator moves of them in a call."""
    for moved in moves:
        times = 1 if network_once and not moved.of_images else operator.times
        yield moved.tensor, moved.bytes * times


def _largest(moves: Iterable[Iterable[tuple[str, int]]]) -> dict[str, int]:
    """Each tensor once: where several operators move it, as much as the one that moves most."""
    sizes: dict[str, int] = {}
    for tensor, size in chain.from_iterable(moves):
        sizes[tensor] = max(sizes.get(tensor, 0), size)
    return sizes
