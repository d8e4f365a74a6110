"""A table for a terminal: at a given width columns are left out by priority, numbers never cut.

Where not even the columns that are always shown have room, the cells of a row stand under each
other.

Tables are laid out here and not by rich, whose tables shorten cells to fit and cannot leave a
column out; without rich a command that prints a table also starts sooner.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from resprof.render.table import (
    ASCII,
    Column,
    Form,
    Origin,
    Table,
    Value,
    cell,
    headings,
    one_line,
    origin_beside,
)

_GAP = "  "
_RULE = "\N{BOX DRAWINGS LIGHT HORIZONTAL}"
_PROSE_LEAST = 28
"""A column of sentences is wrapped, but not to less than this."""
_PROSE_MOST = 64
"""Nor is it wider than this where there is room for anything: nobody reads longer lines."""
_WORD_LEAST = 16
"""Less room than this does not hold a word and its neighbour."""
_BOLD, _DIM, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """Where a table is printed; ``width`` None is a pipe or a file, which has room for anything."""

    width: int | None = None
    ascii: bool = False
    color: bool = False

    def styled(self, line: str, style: str) -> str:
        """The line in that style, where the screen knows styles."""
        line = line.rstrip(" ")
        return f"{style}{line}{_PLAIN}" if self.color and line else line

    def wrapped(self, sentence: str, width: int | None = None) -> list[str]:
        """The sentence in lines of that width, or of the screen's."""
        width = width or self.width
        if width is None or len(sentence) <= width:
            return [sentence] if sentence else []
        return textwrap.wrap(sentence, width, break_long_words=False, break_on_hyphens=False)


def terminal(table: Table, screen: Screen) -> str:
    """The table as text, each line ended by a line feed."""
    body = [_cells(row, table.columns) for row in table.rows]
    foot = [] if table.total is None else [_cells(table.total, table.columns, blank="")]
    heads = _heads(table.columns)
    layout = _Layout.of(table.columns, [*heads, *body, *foot], screen.width)
    lines = [screen.styled(line, _BOLD) for line in screen.wrapped(one_line(table.title))]
    lines += [screen.styled(line, _DIM) for line in screen.wrapped(one_line(table.subtitle))]
    lines.append("")
    stacked = screen.width is not None and layout.width > screen.width
    if stacked:
        lines += _stacked(table.columns, body, foot, screen)
    else:
        lines += [line for head in heads for line in layout.row(head) if line.strip()]
        lines.append(_RULE * layout.width)
        lines += [line for row in body for line in layout.row(row)]
        lines += [screen.styled(line, _BOLD) for row in foot for line in layout.row(row)]
    for note in (*table.notes, *(() if stacked else layout.left_out())):
        lines += ["", *screen.wrapped(one_line(note))]
    joined = "\n".join(line.rstrip(" ") for line in lines) + "\n"
    return joined.translate(ASCII) if screen.ascii else joined


def _stacked(
    columns: Sequence[Column],
    body: Sequence[Sequence[str]],
    foot: Sequence[Sequence[str]],
    screen: Screen,
) -> list[str]:
    """The first cell of each row, and below it a line or more for each of the others."""
    names = headings(columns)
    if not body:
        return screen.wrapped(f"Empty tables: {', '.join(names)}.")
    indent = _indent(names[1:], screen)
    lines: list[str] = []
    for first, *rest in body:
        lines += [screen.styled(line, _BOLD) for line in screen.wrapped(first)]
        lines += _named(names[1:], columns[1:], rest, indent, screen)
        lines.append("")
    for row in foot:
        # A sum in the first column is named like the others: it is not the name of a row.
        start = int(not columns[0].form.numeric)
        lines.append(screen.styled(row[0] if start else "total", _BOLD))
        lines += _named(names[start:], columns[start:], row[start:], indent, screen)
        lines.append("")
    return lines[:-1]


def _indent(names: Sequence[str], screen: Screen) -> int:
    """Room for the names that leave the values half of the screen."""
    half = (screen.width or 0) // 2
    return max((len(name) for name in names if len(name) < half), default=0) + len(_GAP)


def _named(
    names: Sequence[str],
    columns: Sequence[Column],
    row: Sequence[str],
    indent: int,
    screen: Screen,
) -> list[str]:
    """Each cell beside its name, or below it; what is to be copied stays in one line."""
    room = (screen.width or 0) - indent
    lines: list[str] = []
    for name, column, text in zip(names, columns, row, strict=True):
        if not text.strip():
            continue
        code = column.form is Form.CODE
        parts = [text] if code or room < _WORD_LEAST else screen.wrapped(text, room)
        if len(name) < indent and max(map(len, parts)) <= room:
            lines.append(name.ljust(indent) + parts[0])
            lines += [" " * indent + part for part in parts[1:]]
        else:
            lines += [*screen.wrapped(name), *([text] if code else screen.wrapped(text))]
    return lines


def _heads(columns: Sequence[Column]) -> list[list[str]]:
    """The titles, and over them what the numbers are where not all are of one kind."""
    titles = [one_line(column.title) for column in columns]
    if len({column.origin for column in columns if column.origin}) < 2:
        return [titles]
    origins: list[str] = []
    last: Origin | None = None
    for column in columns:
        origins.append(origin_beside(column) if column.origin is not last else "")
        last = column.origin or last
    return [origins, titles]


def _cells(row: Sequence[Value], columns: Sequence[Column], blank: str | None = None) -> list[str]:
    return [
        blank if value is None and blank is not None else cell(value, column.form)
        for value, column in zip(row, columns, strict=True)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Which columns are shown (``kept``, by index) and how wide each is."""

    columns: tuple[Column, ...]
    kept: tuple[int, ...]
    widths: tuple[int, ...]

    @classmethod
    def of(
        cls, columns: tuple[Column, ...], rows: Sequence[Sequence[str]], room: int | None
    ) -> _Layout:
        widths = [max(len(row[index]) for row in rows) for index in range(len(columns))]
        kept = list(range(len(columns)))
        if room is None:
            capped = [
                min(width, _PROSE_MOST) if column.form is Form.PROSE else width
                for width, column in zip(widths, columns, strict=True)
            ]
            return cls(columns=columns, kept=tuple(kept), widths=tuple(capped))
        least = [
            min(width, _PROSE_LEAST) if column.form is Form.PROSE else width
            for width, column in zip(widths, columns, strict=True)
        ]
        kept = _fitting(columns, least, room)
        for index in kept:
            if columns[index].form is Form.PROSE:
                spare = room - _total(least, kept)
                least[index] = min(widths[index], least[index] + max(spare, 0))
                widths[index] = least[index]
        return cls(columns=columns, kept=tuple(kept), widths=tuple(widths))

    @property
    def width(self) -> int:
        return _total(self.widths, self.kept)

    def row(self, cells: Sequence[str]) -> list[str]:
        """The lines that one row takes: one, or more where a sentence is wrapped."""
        parts = {
            index: textwrap.wrap(cells[index], self.widths[index]) or [""]
            if len(cells[index]) > self.widths[index]
            else [cells[index]]
            for index in self.kept
        }
        return [
            _GAP.join(
                self._aligned(part[line] if line < len(part) else "", index)
                for index, part in parts.items()
            )
            for line in range(max(len(part) for part in parts.values()))
        ]

    def left_out(self) -> tuple[str, ...]:
        """A sentence that names the columns that found no room."""
        missing = [c.title for index, c in enumerate(self.columns) if index not in self.kept]
        return (f"Not shown, for lack of width: {', '.join(missing)}.",) if missing else ()

    def _aligned(self, part: str, index: int) -> str:
        width = self.widths[index]
        return part.rjust(width) if self.columns[index].form.numeric else part.ljust(width)


def _fitting(columns: Sequence[Column], widths: Sequence[int], room: int) -> list[int]:
    """The columns that are always shown and, of one priority all or none, those that fit beside."""
    kept = [index for index, column in enumerate(columns) if column.priority == 0]
    for priority in sorted({column.priority for column in columns if column.priority}):
        more = [index for index, column in enumerate(columns) if column.priority == priority]
        if _total(widths, [*kept, *more]) <= room:
            kept += more
    return sorted(kept)


def _total(widths: Sequence[int], kept: Sequence[int]) -> int:
    return sum(widths[index] for index in kept) + len(_GAP) * (len(kept) - 1)
