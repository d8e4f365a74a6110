"""How charts look: series differ in shape, dash and pattern as well as in colour."""

from __future__ import annotations

from typing import Any

BLACK, GREY, RULE = "#000000", "#4d4d4d", "#d9d9d9"
COLORS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#7F7F7F",
)
"""Okabe and Ito's palette for every kind of colour vision; its yellow is too pale for lines."""
DASHES = ((1, 0), (7, 3), (2, 2), (8, 2, 2, 2), (12, 3), (4, 4), (1, 3), (10, 2, 2, 2, 2, 2))
SHAPES = (
    "circle",
    "square",
    "triangle-up",
    "diamond",
    "cross",
    "triangle-down",
    "triangle-right",
    "triangle-left",
)
MOST_SERIES = len(COLORS)
"""More lines than this nobody tells apart."""

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
"""The first comes with the renderer, so that a layout is the same on every machine, the second and
third have its widths. A browser may have none of them, so layouts leave room for wider letters."""
TEXT_PX, LABEL_PX = 12, 11
LABEL: dict[str, Any] = {"fontSize": LABEL_PX, "color": BLACK}
"""A text within the chart."""
WIDTH, HEIGHT = 560, 300

_STROKES = (
    "",
    "M0,4h8",
    "M4,0v8",
    "M0,4h8M4,0v8",
    "M-2,2l4,-4M0,8l8,-8M6,10l4,-4",
    "M-2,6l4,4M0,0l8,8M6,-2l4,4",
    "M2,2h1M6,6h1",
    "M0,2h8M0,6h8",
)
"""What is drawn in white over each colour of a bar, in tiles of 8 by 8."""


PATTERNS = tuple(f"url(#resprof-pattern-{index})" for index in range(MOST_SERIES))
"""The fill of the bars of each series."""


def pattern_definitions() -> str:
    """The fills, as SVG has them."""
    tiles = "".join(_tile(index) for index in range(MOST_SERIES))
    return f"<defs>{tiles}</defs>"


def _tile(index: int) -> str:
    stroke = (
        f'<path d="{_STROKES[index]}" stroke="#fff" stroke-width="1.5"/>' if _STROKES[index] else ""
    )
    return (
        f'<pattern id="resprof-pattern-{index}" width="8" height="8" patternUnits="userSpaceOnUse">'
        f'<rect width="8" height="8" fill="{COLORS[index]}"/>{stroke}</pattern>'
    )


def config(*, key_columns: int) -> dict[str, Any]:
    """What every chart has in common; the key has so many columns."""
    return {
        "background": "white",
        "font": FONT,
        "padding": {"left": 20, "right": 20, "top": 8, "bottom": 8},
        "view": {"stroke": RULE},
        "title": {
            "anchor": "start",
            "color": BLACK,
            "fontSize": 15,
            "fontWeight": "bold",
            "frame": "group",
            "offset": 12,
            "subtitleColor": GREY,
            "subtitleFontSize": TEXT_PX,
            "subtitlePadding": 4,
        },
        "axis": {
            "domainColor": GREY,
            "gridColor": RULE,
            "labelColor": BLACK,
            "labelFontSize": TEXT_PX,
            "labelLimit": 320,
            "tickColor": GREY,
            "titleColor": BLACK,
            "titleFontSize": TEXT_PX,
            "titleFontWeight": "normal",
            "titleLimit": 400,
            "titlePadding": 8,
        },
        "legend": {
            "columnPadding": 30,  # a font that is wider than the first one needs it
            "columns": key_columns,
            "labelColor": BLACK,
            "labelFontSize": TEXT_PX,
            "labelLimit": 400,
            "orient": "bottom",
            "symbolSize": 110,
            "symbolStrokeWidth": 1.5,
            "title": None,
        },
    }
