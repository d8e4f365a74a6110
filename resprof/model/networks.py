"""The networks that there are: families, the names of their members, and what a name stands for.

A family is one file of ``resprof.families`` and one line here. The files count, so they lie above
this room; each is loaded when a network of its family is first asked for.

Grammar: ``NAME[-v1.5][-A|-B|-C]``. One network has one canonical id, without the options that are
the family's defaults: ``resnet50-v1.5-B`` is ``resnet50-v1.5``.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import Any, SupportsIndex, TypeVar

from resprof.errors import UnknownModel, UsageError, printable
from resprof.model.architecture import Architecture, Shortcut, Stage, Stem, StrideIn
from resprof.model.recipe import Recipe, Workload
from resprof.units import check_count, parse_count

_FAMILIES = {
    "resprof.families.residual": ("resnet", "plain", "cifar-resnet", "cifar-plain"),
    "resprof.families.vgg": ("vgg",),
    "resprof.families.descendants": ("resnext", "wide-resnet"),
}
"""Each file and its families, in the order in which `resprof list` shows their networks.

A network's name begins with its family's, before the first digit.
"""
_FILES = {family: file for file, families in _FAMILIES.items() for family in families}

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


MOST_SIDE = 65_536
MOST_CLASSES = 10_000_000
MOST_CHANNELS = 65_536
MOST_WIDTH = 64.0

_GRAMMAR = re.compile(r"(?P<base>.+?)(-(?P<version>v1|v1\.5))?(-(?P<shortcut>[abc]))?")
_STRIDE_OF_VERSION = {"v1": StrideIn.FIRST_1X1, "v1.5": StrideIn.MIDDLE_3X3}


@cache
def members() -> Mapping[str, Member]:
    """Every listed network by its name, in the order in which `resprof list` shows them."""
    return {member.name: member for file in _FAMILIES for member in _family_in(file).members}


def family_of(architecture: Architecture) -> Family:
    """The family that an architecture belongs to."""
    return _family_in(_FILES[architecture.family])


def _member(base: str, typed: str) -> Member | None:
    """The network of that name without options, in the one family that can have it."""
    file = _FILES.get(re.split(r"\d", base, maxsplit=1)[0].replace("_", "-"))
    if file is None:
        return None
    family = _family_in(file)
    listed = next((member for member in family.members if member.name == base), None)
    return listed or family.unlisted(base, typed)


@cache
def _family_in(file: str) -> Family:
    family: Family = import_module(file).FAMILY
    return family


def resolve(
    name: str,
    *,
    image: tuple[int, int] | None = None,
    classes: SupportsIndex | None = None,
    in_channels: SupportsIndex | None = None,
    width: float | None = None,
    shortcut: Shortcut | None = None,
    stride_in: StrideIn | None = None,
) -> Architecture:
    """The architecture of that name; ``image`` is (height, width) in pixels.

    Raises ``UnknownModel`` for a name that is none, ``UsageError`` for an option that the family
    lacks or that contradicts the name, and for a parameter out of range.
    """
    text = name.strip().lower()
    match = _GRAMMAR.fullmatch(text)
    member = _member(match["base"], name) if match else None
    if match is None or member is None:
        raise UnknownModel(name, variants())
    named_stride = _STRIDE_OF_VERSION.get(match["version"])
    named_shortcut = Shortcut(match["shortcut"].upper()) if match["shortcut"] else None
    chosen_shortcut = _one(name, "shortcut", named_shortcut, shortcut)
    chosen_stride = _one(name, "stride-in", named_stride, stride_in)
    _refuse_missing(member, chosen_shortcut, chosen_stride)
    architecture = _architecture(
        member,
        chosen_shortcut or member.shortcut,
        chosen_stride or member.stride_in,
    )
    if width is not None and width != 1.0:
        architecture = _widened(architecture, width)
    if classes is not None:
        checked = check_count(classes, "classes", most=MOST_CLASSES)
        architecture = replace(architecture, classes=checked)
    if in_channels is not None:
        checked = check_count(in_channels, "in-channels", most=MOST_CHANNELS)
        architecture = replace(architecture, in_channels=checked)
    return architecture if image is None else at_image(architecture, image)


def at_image(architecture: Architecture, image: tuple[int, int]) -> Architecture:
    """The same network for images of another size (height, width)."""
    height, width = (check_count(side, "image", most=MOST_SIDE) for side in image)
    smallest = family_of(architecture).smallest_side(architecture)
    if min(height, width) < smallest:
        raise UsageError(
            f"a {height}x{width} image is too small for {architecture.id}: "
            f"it halves its maps {architecture.halvings} times",
            hint=f"the smallest image it takes is {smallest}x{smallest}",
        )
    return replace(architecture, image=(height, width))


def parse_image(text: str) -> tuple[int, int]:
    """Reads ``224`` or ``HxW`` such as ``480x640``."""
    sides = text.strip().lower().split("x")
    if len(sides) > 2:
        raise UsageError(
            f"image {printable(text)} has too many sides",
            hint="write it like 224, or height x width like 480x640",
        )
    if not all(sides):
        raise UsageError(
            f"image {printable(text)} is not a size", hint="write it like 224, or like 480x640"
        )
    numbers = tuple(parse_count(side, "image", most=MOST_SIDE) for side in sides)
    return numbers[0], numbers[-1]


Image = SupportsIndex | Iterable[SupportsIndex]
"""A side or (height, width) in pixels, integers of any type."""


def sides(image: Any) -> tuple[int, int]:
    """(height, width) in pixels of an ``Image``; ``UsageError`` for anything else.

    They are not yet held against what a network takes.
    """
    try:
        side = operator.index(image)
    except TypeError:
        return _two_sides(image)
    return side, side


def _two_sides(image: Any) -> tuple[int, int]:
    try:
        height, width = (operator.index(side) for side in image)
    except (TypeError, ValueError):
        raise UsageError(
            f"image {printable(str(image))} is not a size",
            hint="give a side in pixels such as 224, or (height, width) such as (480, 640)",
        ) from None
    return height, width


def options(member: Member) -> Iterator[tuple[StrideIn | None, Shortcut | None]]:
    """The combinations of options that a network comes in, its default first."""
    free = not member.fixed
    strides: tuple[StrideIn | None, ...] = (member.stride_in,)
    shortcuts: tuple[Shortcut | None, ...] = (member.shortcut,)
    if member.stride_in is not None and free:
        strides = tuple(StrideIn)
    if member.shortcut is not None and free:
        shortcuts = (member.shortcut, *(s for s in Shortcut if s is not member.shortcut))
    for stride in strides:
        for shortcut in shortcuts:
            yield stride, shortcut


def variants() -> tuple[str, ...]:
    """The canonical id of every listed network in every option that it comes in."""
    return tuple(
        _canonical(member, shortcut, stride)
        for member in members().values()
        for stride, shortcut in options(member)
    )


def describe(architecture: Architecture) -> str:
    """What tells this network from its namesakes: ``ResNet-50 v1 (...), shortcut option B``."""
    text = _label(architecture)
    if architecture.stride_in is StrideIn.FIRST_1X1:
        text += " v1 (stride 2 in a block's first 1x1, as published)"
    elif architecture.stride_in is StrideIn.MIDDLE_3X3:
        text += " v1.5 (stride 2 in a block's 3x3, as in torchvision)"
    if architecture.shortcut is not None:
        text += f", shortcut option {architecture.shortcut}"
    if architecture.width != 1.0:
        text += f", {architecture.width:g} times as wide"
    if architecture.in_channels != 3:
        text += f", {architecture.in_channels} input channels"
    return text


def _label(architecture: Architecture) -> str:
    base = _GRAMMAR.fullmatch(architecture.id.lower())
    member = _member(base["base"], architecture.id) if base else None
    return member.label if member else architecture.id


Option = TypeVar("Option", Shortcut, StrideIn)


def _one(name: str, option: str, named: Option | None, asked: Option | None) -> Option | None:
    if named is not None and asked is not None and named != asked:
        raise UsageError(
            f"{printable(name)} and --{option} {asked} contradict each other",
            hint=f"leave out --{option}, or take the option out of the name",
        )
    return named if named is not None else asked


def _refuse_missing(member: Member, shortcut: Shortcut | None, stride_in: StrideIn | None) -> None:
    if shortcut not in {None, member.shortcut} and (member.shortcut is None or member.fixed):
        what = "one kind of shortcut (option B)" if member.fixed else "no shortcuts"
        raise UsageError(
            f"{member.name} has {what}, so option {shortcut} does not apply",
            hint=f"write {member.name} alone; options A, B and C exist for resnet and cifar-resnet",
        )
    if stride_in not in {None, member.stride_in} and (member.stride_in is None or member.fixed):
        what = "its stride in the 3x3" if member.fixed else "no bottleneck blocks"
        raise UsageError(
            f"{member.name} has {what}, so v1 and v1.5 do not apply",
            hint=f"write {member.name} alone; v1 and v1.5 exist for resnet50, 101 and 152",
        )


def _canonical(member: Member, shortcut: Shortcut | None, stride_in: StrideIn | None) -> str:
    version = "" if stride_in is member.stride_in else "-v1.5"
    option = "" if shortcut is member.shortcut else f"-{shortcut}"
    return f"{member.name}{version}{option}"


def _architecture(
    member: Member, shortcut: Shortcut | None, stride_in: StrideIn | None
) -> Architecture:
    return Architecture(
        id=_canonical(member, shortcut, stride_in),
        family=member.family,
        depth=member.depth,
        block=member.block,
        stem=member.stem,
        stages=member.stages,
        shortcut=shortcut,
        stride_in=stride_in,
        groups=member.groups,
        pooled=member.pooled,
        hidden=member.hidden,
        image=(member.side, member.side),
        classes=member.classes,
        in_channels=3,
        width=1.0,
    )


def _widened(architecture: Architecture, width: float) -> Architecture:
    """Multiplies every channel count of the convolutions (and VGG's hidden layers) by ``width``."""
    stem = architecture.stem
    unit = math.gcd(
        *(stage.inner // architecture.groups for stage in architecture.stages),
        *(stage.outer for stage in architecture.stages),
        *((stem.channels,) if stem else ()),
    )
    if not 0 < width <= MOST_WIDTH:
        raise UsageError(
            f"width {width:g} is out of range",
            hint=f"{architecture.id} takes multiples of 1/{unit} up to {MOST_WIDTH:g}",
        )
    if not (unit * width).is_integer():
        raise UsageError(
            f"width {width:g} does not give whole numbers of channels",
            hint=f"{architecture.id} takes multiples of 1/{unit} up to {MOST_WIDTH:g}",
        )

    def wide(channels: int) -> int:
        return round(channels * width)

    return replace(
        architecture,
        stem=replace(stem, channels=wide(stem.channels)) if stem else None,
        stages=tuple(
            replace(stage, inner=wide(stage.inner), outer=wide(stage.outer))
            for stage in architecture.stages
        ),
        hidden=tuple(wide(features) for features in architecture.hidden),
        width=width,
    )


def workload_of(architecture: Architecture, recipe: Recipe) -> Workload:
    """The architecture and the recipe by name, as a child process is told."""
    return Workload(
        model=architecture.id,
        classes=architecture.classes,
        in_channels=architecture.in_channels,
        width=architecture.width,
        recipe=recipe,
    )


def architecture_of(workload: Workload) -> Architecture:
    """The network of a workload, at its image size."""
    return resolve(
        workload.model,
        image=workload.recipe.image,
        classes=workload.classes,
        in_channels=workload.in_channels,
        width=workload.width,
    )
