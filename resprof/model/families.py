"""What a family of networks has to tell, and which families there are.

A family is one file of ``resprof.families`` and one line here. The files count, so they lie above
this room and are loaded by name, when a network is first asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from resprof.model.architecture import Architecture, Shortcut, Stage, Stem, StrideIn

_FAMILIES = (
    "resprof.families.residual",
    "resprof.families.vgg",
    "resprof.families.descendants",
)
"""The families' files, in the order in which `resprof list` shows their networks."""

Paths = tuple[str, ...]
"""Paths of modules, in order of execution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A network of a family before options and parameters are applied.

    ``shortcut`` and ``stride_in`` are the family's defaults, None where the network has no such
    thing; ``fixed`` says that they cannot be chosen.
    """

    name: str
    family: str
    label: str
    depth: int
    block: str
    stem: Stem | None
    stages: tuple[Stage, ...]
    shortcut: Shortcut | None = None
    stride_in: StrideIn | None = None
    fixed: bool = False
    groups: int = 1
    pooled: int = 1
    hidden: tuple[int, ...] = ()
    side: int = 224
    classes: int = 1000


def _none(base: str, typed: str) -> None:  # as families that have others
    """A family all of whose networks are listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """All that sets a family of networks apart; each function reads nothing but an architecture.

    ``members`` are the networks with a name of their own, ``unlisted`` finds one that is not among
    them by its name without options and the name as it was typed. ``table`` is the network in the
    notation of the paper's Table 1, a text for each stage. ``walk`` yields counting's blocks
    (``BlockCost``) in order of execution. ``module`` is where the module's class is, or a function
    that builds it, as ``package.module:name``: it alone loads torch.

    ``stages`` are each stage's name and the paths of its modules: every convolution, batch norm,
    pool and fully connected layer lies in exactly one. A stage begins where its first module is
    entered and ends where its last one is left. ``blocks`` are what checkpointing computes again as
    a whole, each a run of modules that feed each other. ``smallest_side`` is the smallest image
    side (px) at which no layer is asked to halve a map of one pixel.
    """

    members: tuple[Member, ...]
    unlisted: Callable[[str, str], Member | None] = _none
    table: Callable[[Architecture], Iterator[tuple[str, str]]]
    walk: Callable[[Architecture], Iterator[Any]]
    module: str
    stages: Callable[[Architecture], tuple[tuple[str, Paths], ...]]
    blocks: Callable[[Architecture], tuple[Paths, ...]]
    smallest_side: Callable[[Architecture], int]


@cache
def families() -> tuple[Family, ...]:
    """Every family."""
    return tuple(import_module(name).FAMILY for name in _FAMILIES)


@cache
def members() -> Mapping[str, Member]:
    """Every listed network by its name, in the order in which `resprof list` shows them."""
    return {member.name: member for family in families() for member in family.members}


def family_of(architecture: Architecture) -> Family:
    """The family that an architecture belongs to."""
    return _by_name()[architecture.family]


@cache
def _by_name() -> Mapping[str, Family]:
    return {member.family: family for family in families() for member in family.members}
