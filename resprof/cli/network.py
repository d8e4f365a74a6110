"""The options that change a network, the same in every command that takes one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from resprof.catalog.networks import (
    MOST_CHANNELS,
    MOST_CLASSES,
    MOST_WIDTH,
    parse_image,
    resolve,
)
from resprof.errors import UsageError, printable
from resprof.records.architecture import Architecture, Shortcut, StrideIn
from resprof.units import parse_count


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions:
    """As they were typed; None is the network's own."""

    image: Annotated[
        str | None,
        typer.Option(
            metavar="N|HxW", help="image size in pixels; default: the paper's for the family"
        ),
    ] = None
    classes: Annotated[
        str | None, typer.Option(metavar="N", help="number of classes; default: the paper's")
    ] = None
    in_channels: Annotated[
        str | None, typer.Option(metavar="N", help="channels of the image; default: 3")
    ] = None
    width: Annotated[
        str | None, typer.Option(metavar="X", help="factor on channel counts; default: 1")
    ] = None
    shortcut: Annotated[
        Shortcut | None, typer.Option(case_sensitive=False, help="shortcut option, Sec. 4.1")
    ] = None
    stride_in: Annotated[
        StrideIn | None, typer.Option(help="where bottlenecks downsample: 1x1 is v1, 3x3 is v1.5")
    ] = None

    def of(self, model: str) -> Architecture:
        """The architecture that a model's name and the options describe."""
        image, classes, channels = self.image, self.classes, self.in_channels
        return resolve(
            model,
            image=None if image is None else parse_image(image),
            classes=None if classes is None else parse_count(classes, "classes", most=MOST_CLASSES),
            in_channels=None
            if channels is None
            else parse_count(channels, "in-channels", most=MOST_CHANNELS),
            width=None if self.width is None else _parse_width(self.width),
            shortcut=self.shortcut,
            stride_in=self.stride_in,
        )

    def given(self) -> dict[str, Any]:
        """Those that were typed."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def _parse_width(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(
            f"width {printable(text)} is not a number",
            hint=f"width is a factor above 0 and up to {MOST_WIDTH:g}, such as 0.5",
        ) from None
