"""The options that commands share, each declared once."""

from __future__ import annotations

from typing import Annotated

import typer

from resprof.catalog.networks import (
    MOST_CHANNELS,
    MOST_CLASSES,
    MOST_WIDTH,
    parse_image,
    resolve,
)
from resprof.cli.output import Format
from resprof.errors import UsageError, printable
from resprof.records.architecture import Architecture, Shortcut, StrideIn
from resprof.units import parse_count

MOST_BATCH = 1_000_000_000

Models = Annotated[
    list[str],
    typer.Argument(metavar="MODEL", help="networks, such as resnet50, resnet50-v1.5, vgg16"),
]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="a network, such as resnet50")]
Image = Annotated[
    str | None,
    typer.Option(metavar="N|HxW", help="image size in pixels; default: the paper's for the family"),
]
Classes = Annotated[str | None, typer.Option(metavar="N", help="number of classes")]
InChannels = Annotated[str | None, typer.Option(metavar="N", help="channels of the image")]
Width = Annotated[str | None, typer.Option(metavar="X", help="factor on all channel counts")]
ShortcutOption = Annotated[
    Shortcut | None,
    typer.Option("--shortcut", case_sensitive=False, help="shortcut option, Sec. 4.1"),
]
StrideInOption = Annotated[
    StrideIn | None,
    typer.Option("--stride-in", help="where bottlenecks downsample: 1x1 is v1, 3x3 is v1.5"),
]
Batch = Annotated[str, typer.Option(metavar="N", help="images per forward pass")]
Batches = Annotated[str, typer.Option("--batch", metavar="N,...", help="images per forward pass")]
FormatOption = Annotated[Format | None, typer.Option("--format", help="form of the result")]
Json = Annotated[bool, typer.Option("--json", help="short for --format json")]
Csv = Annotated[bool, typer.Option("--csv", help="short for --format csv")]
Out = Annotated[
    str | None,
    typer.Option("-o", "--output", metavar="FILE", help="write there; the suffix picks the format"),
]
Force = Annotated[bool, typer.Option("--force", help="replace an existing file")]


def parse_batch(text: str) -> int:
    """Reads ``--batch``."""
    return parse_count(text, "batch", most=MOST_BATCH)


def parse_batches(text: str) -> list[int]:
    """Reads ``--batch`` as a list."""
    return [parse_batch(part) for part in text.split(",")]


def architecture(
    model: str,
    *,
    image: str | None,
    classes: str | None,
    in_channels: str | None,
    width: str | None,
    shortcut: Shortcut | None,
    stride_in: StrideIn | None,
) -> Architecture:
    """The architecture that a model's name and the options describe."""
    return resolve(
        model,
        image=parse_image(image) if image is not None else None,
        classes=parse_count(classes, "classes", most=MOST_CLASSES) if classes is not None else None,
        in_channels=parse_count(in_channels, "in-channels", most=MOST_CHANNELS)
        if in_channels is not None
        else None,
        width=_parse_width(width) if width is not None else None,
        shortcut=shortcut,
        stride_in=stride_in,
    )


def _parse_width(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(
            f"width {printable(text)} is not a number",
            hint=f"width is a factor above 0 and up to {MOST_WIDTH:g}, such as 0.5",
        ) from None
