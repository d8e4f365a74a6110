"""Pictures of charts: the only place that knows the renderer, which asks nothing of the network."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from resprof.render.chart import Chart, ChartKind
from resprof.render.drawing import theme

_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_PNG_SCALE = 2
"""Pixels of a PNG for each unit of the drawing: sharp on the screens of today."""


def is_available() -> bool:
    """Whether what draws is installed."""
    from importlib.util import find_spec

    return all(find_spec(name) is not None for name in ("altair", "vl_convert"))


@lru_cache(maxsize=128)
def specification(chart: Chart) -> dict[str, Any]:
    """The chart as Vega-Lite has it, from which all its pictures are made; not to be changed."""
    return _drawers()[chart.kind](chart)


def svg(chart: Chart) -> str:
    """The chart as SVG, the same text for the same chart."""
    import vl_convert

    text: str = vl_convert.vegalite_to_svg(specification(chart))
    head, closed, body = text.partition(">")
    return f"{head}{closed}{theme.pattern_definitions()}{body}\n"


def png(picture: str) -> bytes:
    """The PNG of a chart's SVG."""
    import vl_convert

    found: bytes = vl_convert.svg_to_png(picture, scale=_PNG_SCALE)
    return smaller(found)


def smaller(image: bytes) -> bytes:
    """The same PNG, compressed as well as zlib can: a fifth of what the renderer makes."""
    head, chunks = image[: len(_PNG_HEAD)], list(_chunks(image))
    pixels = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    before = [chunk for chunk in chunks if chunk[0] not in {b"IDAT", b"IEND"}]
    rest = [*before, (b"IDAT", zlib.compress(pixels, 9)), (b"IEND", b"")]
    return head + b"".join(_chunk(kind, body) for kind, body in rest)


def _chunks(image: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_PNG_HEAD)
    while at < len(image):
        (length,) = struct.unpack_from(">I", image, at)
        yield image[at + 4 : at + 8], image[at + 8 : at + 8 + length]
        at += length + 12


def _chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def _drawers() -> Mapping[ChartKind, Callable[[Chart], dict[str, Any]]]:
    from resprof.render.drawing.bars import bars, columns, course
    from resprof.render.drawing.lines import lines

    return {
        ChartKind.COLUMNS: columns,
        ChartKind.BARS: bars,
        ChartKind.LINES: lines,
        ChartKind.COURSE: course,
    }
