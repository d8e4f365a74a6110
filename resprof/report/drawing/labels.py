"""Where the names of points stand, so that none covers another or a point."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from resprof.report.drawing import theme

CHAR_PX = 0.52 * theme.LABEL_PX
"""The width of a character, on average and rather more."""
_LINE_PX = 1.15 * theme.LABEL_PX
_POINT_PX = 5.0
_PIECE_PX = 6.0
_COVERED, _DOUBTFUL = 1, 3
"""How bad it is to cover something, in pieces of it, and to seem another point's name."""
_CLEARLY_PX = 3.0
"""A text is its point's if every other is farther off by this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An offset from a point in pixels, and which end of the text is there."""

    dx: float
    dy: float
    align: str


PLACES = tuple(
    Place(dx=dx, dy=dy, align=align)
    for dx, dy, align in (
        (9, 0, "left"),
        (-9, 0, "right"),
        (0, -12, "center"),
        (0, 13, "center"),
        (9, 11, "left"),
        (-9, -11, "right"),
        (9, -11, "left"),
        (-9, 11, "right"),
        (26, 0, "left"),
        (-26, 0, "right"),
        (0, 27, "center"),
        (0, -26, "center"),
        (9, 26, "left"),
        (-9, -26, "right"),
        (9, -26, "left"),
        (-9, 26, "right"),
    )
)
"""Where a text may stand, the best place first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle in pixels from the upper left corner."""

    left: float
    top: float
    right: float
    bottom: float

    def distance(self, point: tuple[float, float]) -> float:
        """How far a point is from it, in pixels; 0 within."""
        x, y = point
        across = max(self.left - x, 0.0, x - self.right)
        return math.hypot(across, max(self.top - y, 0.0, y - self.bottom))

    def meets(self, other: Box) -> bool:
        """Whether the two share more than an edge."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


def pixel(value: float, low: float, high: float, size: int, *, log: bool) -> float:
    """How far along an axis of that size a value lies."""
    if log:
        return size * math.log(value / low) / math.log(high / low)
    return size * (value - low) / (high - low)


def around(x: float, y: float) -> Box:
    """What a point takes."""
    return Box(left=x - _POINT_PX, top=y - _POINT_PX, right=x + _POINT_PX, bottom=y + _POINT_PX)


def along(start: tuple[float, float], end: tuple[float, float]) -> list[Box]:
    """What a straight line takes, in pieces."""
    (x, y), (to_x, to_y) = start, end
    pieces = max(1, int(math.hypot(to_x - x, to_y - y) / _PIECE_PX))
    return [
        Box(left=at_x - 2, top=at_y - 2, right=at_x + 2, bottom=at_y + 2)
        for at_x, at_y in (
            (x + (to_x - x) * piece / pieces, y + (to_y - y) * piece / pieces)
            for piece in range(pieces + 1)
        )
    ]


def placed(
    points: Sequence[tuple[float, float, str]], taken: Iterable[Box], *, width: int, height: int
) -> list[Place]:
    """A place for each text at (x, y), one after the other: the one that misleads the least."""
    boxes = list(taken)
    found = []
    for number, (x, y, text) in enumerate(points):
        others = [(px, py) for place, (px, py, _) in enumerate(points) if place != number]
        options = [(place, _box(x, y, text, place)) for place in PLACES]
        within = [
            (place, box)
            for place, box in options
            if box.left >= 0 and box.right <= width and box.top >= 0 and box.bottom <= height
        ]
        costs = [
            _COVERED * sum(box.meets(other) for other in boxes)
            + _DOUBTFUL * _is_doubtful(box, (x, y), others)
            for _, box in within or options
        ]
        # Of equals the first, which is the best place.
        place, box = (within or options)[costs.index(min(costs))]
        boxes.append(box)
        found.append(place)
    return found


def _is_doubtful(box: Box, own: tuple[float, float], others: Iterable[tuple[float, float]]) -> bool:
    """Whether the text seems to belong to another point."""
    return any(box.distance(other) < box.distance(own) + _CLEARLY_PX for other in others)


def _box(x: float, y: float, text: str, place: Place) -> Box:
    length = CHAR_PX * len(text)
    start = {"left": 0.0, "right": -length, "center": -length / 2}[place.align]
    left, middle = x + place.dx + start, y + place.dy
    return Box(
        left=left,
        top=middle - _LINE_PX / 2,
        right=left + length,
        bottom=middle + _LINE_PX / 2,
    )
