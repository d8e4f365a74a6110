"""The options that commands share, each declared once."""

from __future__ import annotations

from typing import Annotated

import typer

from resprof.records.recipe import MOST_BATCH
from resprof.units import parse_count

Models = Annotated[
    list[str],
    typer.Argument(metavar="MODEL", help="networks, such as resnet50, resnet50-v1.5, vgg16"),
]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="a network, such as resnet50")]
Batch = Annotated[str, typer.Option(metavar="N", help="images per forward pass")]
Batches = Annotated[str, typer.Option("--batch", metavar="N,...", help="images per forward pass")]


def parse_batch(text: str) -> int:
    """Reads ``--batch``."""
    return parse_count(text, "batch", most=MOST_BATCH)


def parse_batches(text: str) -> list[int]:
    """Reads ``--batch`` as a list, each once."""
    return list(dict.fromkeys(parse_batch(part) for part in text.split(",")))
