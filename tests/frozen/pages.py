"""A page of HTML taken apart, so that a change of its looks is told from one of its content."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from html.parser import HTMLParser

_LOOKS = (
    re.compile(r"(?s)(?<=<style>).*?(?=</style>)"),
    re.compile(r"(?s)(?<=<script>).*?(?=</script>)"),
    # The page's policy names its script by its digest.
    re.compile(r"(?<='sha256-)[A-Za-z0-9+/=]+"),
)
_LINES = {"title", "h1", "h2", "h3", "p", "li", "tr", "caption", "summary", "figure", "table"}
_CELLS = {"th", "td"}
_UNSEEN = {"style", "script", "svg"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The digest of style and script, that of the markup without both, and the text."""

    looks: str
    markup: str
    text: str


def taken_apart(page: str) -> Page:
    """The three parts of a page."""
    looks = "".join(part for pattern in _LOOKS[:2] for part in pattern.findall(page))
    markup = page
    for pattern in _LOOKS:
        markup = pattern.sub("", markup)
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return Page(looks=_digest(looks), markup=_digest(markup), text=reader.text())


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


class _Reader(HTMLParser):
    """A line for each heading, sentence and row; cells are apart by bars."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen += tag in _UNSEEN
        if tag in _LINES:
            self._parts.append("\n")
        elif tag in _CELLS:
            self._parts.append(" | ")
        elif tag == "small":
            self._parts.append(" / ")

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in _UNSEEN
        if tag in _LINES:
            self._parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self._parts.append(" ".join(data.split()))

    def text(self) -> str:
        lines = (line.strip() for line in "".join(self._parts).split("\n"))
        return "".join(f"{line}\n" for line in lines if line)
