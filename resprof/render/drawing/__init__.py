"""Pictures of charts: SVG by altair and a renderer that asks nothing of the network, PNG of it."""

from __future__ import annotations

from importlib.util import find_spec

from resprof.render.chart import Chart
from resprof.render.drawing import theme

_PNG_SCALE = 1.5
"""Pixels of a PNG for each unit of the drawing: sharp on the screens of today."""


def is_available() -> bool:
    """Whether what draws is installed."""
    return all(find_spec(name) is not None for name in ("altair", "vl_convert"))


def svg(chart: Chart) -> str:
    """The chart as SVG, the same text for the same chart."""
    import vl_convert

    from resprof.render.drawing.charts import specification

    text: str = vl_convert.vegalite_to_svg(specification(chart))
    head, closed, body = text.partition(">")
    return f"{head}{closed}{theme.pattern_definitions()}{body}\n"


def png(picture: str) -> bytes:
    """The PNG of a chart's SVG."""
    import vl_convert

    image: bytes = vl_convert.svg_to_png(picture, scale=_PNG_SCALE)
    return image
