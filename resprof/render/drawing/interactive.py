"""The charts on one page that answers the pointer, with the library that draws them inside."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from resprof.render.chart import Chart
from resprof.render.drawing import theme
from resprof.render.drawing.pictures import specification
from resprof.render.page import plain

_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline' 'unsafe-eval'; base-uri 'none'; form-action 'none'"
)
"""Nothing is loaded; the library compiles the expressions of a specification."""
_STYLE = """
body { font: 14px/1.4 "Liberation Sans", Arial, Helvetica, sans-serif; margin: 1rem auto;
  max-width: 84rem; padding: 0 1rem; color: #1a1a1a; background: #fff; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 42rem), 1fr)); }
.chart { overflow-x: auto; min-height: 26rem; }
svg.patterns { position: absolute; width: 0; height: 0; }
"""
_DRAW = "window.drawChart = vegaEmbed;"
_START = """
for (const place of document.querySelectorAll(".chart")) {
  const specification = JSON.parse(place.querySelector("script").textContent);
  const box = document.createElement("div");
  place.append(box);
  drawChart(box, specification, { actions: false, renderer: "svg" });
}
"""


def interactive(charts: Iterable[tuple[str, Chart]], *, title: str) -> str:
    """A page with the charts, each under the anchor that stands before it."""
    import vl_convert

    library: str = vl_convert.javascript_bundle(_DRAW)
    places = "".join(
        f'<div class="chart" id="{plain(anchor)}"><script type="application/json">'
        f"{_embedded(specification(chart))}</script></div>\n"
        for anchor, chart in charts
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{plain(title)}</title>\n<link rel="icon" href="data:,">\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{plain(title)}</h1>\n"
        '<p><a href="index.html">The figures in tables</a></p>\n'
        f'<svg class="patterns" aria-hidden="true">{theme.pattern_definitions()}</svg>\n'
        f"<main>\n{places}</main>\n<script>{_closed(library)}</script>\n"
        f"<script>{_START}</script>\n</body>\n</html>\n"
    )


def _embedded(found: dict[str, Any]) -> str:
    """The specification as JSON that cannot end the element it stands in."""
    text = json.dumps(found, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("&", "\\u0026")


def _closed(library: str) -> str:
    """The library without what would end its element, which stands in its strings only."""
    return library.replace("</script", "<\\/script")
