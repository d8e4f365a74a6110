"""What a report shows, and where: tables and charts under headings, each with its files."""

from __future__ import annotations

from dataclasses import dataclass

from resprof.render.chart import Chart, chart_table
from resprof.render.table import Table

Item = Table | Chart


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """What goes into files whose names begin with ``stem``, a path below the report's folder.

    ``data`` is what CSV and JSON hold, ``shown`` what readers see of it.
    """

    stem: str
    data: Table
    shown: tuple[Item, ...]
    summary: str
    """What it is, for a list of contents: the kind of number first."""

    @classmethod
    def of(cls, stem: str, item: Item, summary: str) -> Exhibit:
        """An item whose files hold what is shown of it."""
        data = item if isinstance(item, Table) else chart_table(item)
        return cls(stem=stem, data=data, shown=(item,), summary=summary)

    @property
    def chart(self) -> Chart | None:
        """The chart, where it is one."""
        (first, *_) = self.shown
        return first if isinstance(first, Chart) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """An item at its place; ``stem`` is that of its files, None where it has none of its own."""

    item: Item
    stem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading with what stands under it; ``folded`` shows the heading alone until asked."""

    anchor: str
    title: str
    text: tuple[str, ...] = ()
    items: tuple[Placed, ...] = ()
    sections: tuple[Section, ...] = ()
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A page: ``front`` answers at one look, the sections follow."""

    title: str
    text: tuple[str, ...]
    front: tuple[Placed, ...]
    sections: tuple[Section, ...]
