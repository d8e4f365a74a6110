"""The allocator once more, slowly: lists of blocks, searched from end to end.

Written from the rules alone and in another form than the model: a segment is the list of all its
blocks in order, and nothing is indexed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from resprof.memory.rules import AllocatorKind

MIB = 1024 * 1024


class State(Enum):
    LIVE = 0
    FREE = 1
    HOLE = 2


@dataclass
class Block:
    start: int
    size: int
    state: State
    requested: int = 0


@dataclass
class Segment:
    small: bool
    blocks: list[Block] = field(default_factory=list)


class OutOfMemory(Exception):
    pass


class SlowAllocator:
    def __init__(self, kind: AllocatorKind, capacity: int | None) -> None:
        self.expandable = kind is AllocatorKind.EXPANDABLE
        self.capacity = float("inf") if capacity is None else capacity
        self.space = 2**46 if capacity is None else capacity + capacity // 8
        self.segments: list[Segment] = []
        self.made = 0

    def totals(self) -> tuple[int, int, int]:
        blocks = [block for segment in self.segments for block in segment.blocks]
        live = [block for block in blocks if block.state is State.LIVE]
        return (
            sum(block.requested for block in live),
            sum(block.size for block in live),
            sum(block.size for block in blocks if block.state is not State.HOLE),
        )

    def places(self) -> list[tuple[int, int, int]]:
        """Segment, offset in it, and size of every live block."""
        return [
            (index, block.start - segment.blocks[0].start, block.size)
            for index, segment in enumerate(self.segments)
            for block in segment.blocks
            if block.state is State.LIVE
        ]

    def rounded(self, requested: int) -> int:
        size = 512
        while size < requested:
            size += 512
        return size

    def allocate(self, requested: int) -> Block:
        size = self.rounded(requested)
        small = size <= MIB
        place = self.search(size, small)
        if place is None:
            place = self.new(size, small)
        if place is None:
            self.give_back_all()
            place = self.new(size, small)
        if place is None:
            raise OutOfMemory
        segment, block = place
        rest = block.size - size
        splits_small_rests = small or self.expandable
        if rest >= 512 if splits_small_rests else rest > MIB:
            index = segment.blocks.index(block)
            segment.blocks.insert(index + 1, Block(block.start + size, rest, State.FREE))
            block.size = size
        block.state, block.requested = State.LIVE, requested
        return block

    def free(self, block: Block) -> None:
        block.state, block.requested = State.FREE, 0
        self.merge()

    def free_blocks(self, small: bool) -> list[tuple[Segment, Block]]:
        found = [
            (segment, block)
            for segment in self.segments
            if segment.small == small
            for block in segment.blocks
            if block.state is State.FREE
        ]
        return sorted(found, key=lambda place: (place[1].size, place[1].start))

    def search(self, size: int, small: bool) -> tuple[Segment, Block] | None:
        places = [place for place in self.free_blocks(small) if place[1].size >= size]
        if not places:
            return None
        chosen = places[0]
        if self.expandable:
            for place in places[1:]:
                if self.can_become(*place) >= self.can_become(*chosen):
                    break
                chosen = place
        return chosen

    def can_become(self, segment: Segment, block: Block) -> int:
        index = segment.blocks.index(block) + 1
        after = segment.blocks[index : index + 1]
        return block.size + sum(each.size for each in after if each.state is State.HOLE)

    def new(self, size: int, small: bool) -> tuple[Segment, Block] | None:
        if self.expandable:
            return self.extend(size, small)
        if small:
            wanted = 2 * MIB
        elif size < 10 * MIB:
            wanted = 20 * MIB
        else:
            wanted = (size + 2 * MIB - 1) // (2 * MIB) * (2 * MIB)
        if self.totals()[2] + wanted > self.capacity:
            return None
        return self.add_segment(small, Block(0, wanted, State.FREE))

    def add_segment(self, small: bool, block: Block) -> tuple[Segment, Block]:
        self.made += 1
        block.start = self.made * 20 * MIB * 2**30
        segment = Segment(small, [block])
        self.segments.append(segment)
        return segment, block

    def extend(self, size: int, small: bool) -> tuple[Segment, Block] | None:
        page = 2 * MIB if small else 20 * MIB
        place = self.find_room(size, small)
        if place is None:
            space = (self.space + page - 1) // page * page
            place = self.add_segment(small, Block(0, space, State.HOLE))
        segment, first = place
        start = first.start
        while True:
            index = next(i for i, block in enumerate(segment.blocks) if block.start == start)
            have = segment.blocks[index]
            got = have.size if have.state is State.FREE else 0
            if got >= size:
                return segment, have
            hole = have if got == 0 else segment.blocks[index + 1]
            missing = min(size - got, hole.size)
            mapped = (missing + page - 1) // page * page
            if self.totals()[2] + mapped > self.capacity:
                return None
            at = segment.blocks.index(hole)
            segment.blocks[at : at + 1] = [
                block
                for block in (
                    Block(hole.start, mapped, State.FREE),
                    Block(hole.start + mapped, hole.size - mapped, State.HOLE),
                )
                if block.size
            ]
            self.merge()

    def find_room(self, size: int, small: bool) -> tuple[Segment, Block] | None:
        for segment in self.segments:
            if segment.small != small:
                continue
            for index, hole in enumerate(segment.blocks):
                if hole.state is not State.HOLE:
                    continue
                if index and segment.blocks[index - 1].state is State.FREE:
                    index -= 1  # noqa: PLW2901
                room = 0
                for block in segment.blocks[index:]:
                    if block.state is State.LIVE or room >= size:
                        break
                    room += block.size
                if room >= size:
                    return segment, segment.blocks[index]
        return None

    def give_back_all(self) -> None:
        if not self.expandable:
            self.segments = [
                segment
                for segment in self.segments
                if len(segment.blocks) > 1 or segment.blocks[0].state is not State.FREE
            ]
            return
        never_mapped = [segment for segment in self.segments if is_hole(segment)]
        for segment in self.segments:
            page = 2 * MIB if segment.small else 20 * MIB
            pieces: list[Block] = []
            for block in segment.blocks:
                pieces += self.unmapped(block, page) if block.state is State.FREE else [block]
            segment.blocks = pieces
        self.merge()
        self.segments = [
            segment for segment in self.segments if segment in never_mapped or not is_hole(segment)
        ]

    @staticmethod
    def unmapped(block: Block, page: int) -> list[Block]:
        end = block.start + block.size
        first = (block.start + page - 1) // page * page
        last = end // page * page
        if first >= last:
            return [block]
        pieces = [
            Block(block.start, first - block.start, State.FREE),
            Block(first, last - first, State.HOLE),
            Block(last, end - last, State.FREE),
        ]
        return [piece for piece in pieces if piece.size]

    def merge(self) -> None:
        for segment in self.segments:
            merged: list[Block] = []
            for block in segment.blocks:
                before = merged[-1] if merged else None
                if before and before.state is block.state and block.state is not State.LIVE:
                    merged[-1] = Block(before.start, before.size + block.size, block.state)
                else:
                    merged.append(block)
            segment.blocks = merged


def is_hole(segment: Segment) -> bool:
    return [block.state for block in segment.blocks] == [State.HOLE]
