"""Groups of options: typer sees each option, the command one value."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field

import pytest

from resprof.cli.options import grouped


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    size: str
    copies: int = 1


def test_a_group_is_spread_and_gathered_again() -> None:
    def print_it(*, name: str, paper: Paper) -> int:
        """Prints."""
        return len(name) * paper.copies

    command = grouped(print_it)
    parameters = inspect.signature(command).parameters
    assert {name: each.default for name, each in parameters.items()} == {
        "name": inspect.Parameter.empty,
        "size": inspect.Parameter.empty,
        "copies": 1,
    }
    assert command(name="abc", size="A4", copies=2) == 6
    assert (command.__name__, command.__doc__) == ("print_it", "Prints.")


def test_a_default_that_is_made_anew_each_time_is_refused() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Pages:
        numbers: list[int] = field(default_factory=list)

    def show(*, pages: Pages) -> int:
        return len(pages.numbers)

    show.__annotations__["pages"] = Pages
    with pytest.raises(TypeError, match=r"Pages\.numbers"):
        grouped(show)


def test_two_groups_with_an_option_of_one_name_are_refused() -> None:
    def print_both(*, paper: Paper, other: Paper) -> int:
        return paper.copies + other.copies

    with pytest.raises(ValueError, match="size"):
        grouped(print_both)
