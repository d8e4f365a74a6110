"""What a notebook calls; the command line is a thin shell over the same jobs.

Counting takes a millisecond and loads no torch. ``build`` loads torch and ``frame``
pandas, each when it is called.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from resprof.catalog.networks import resolve
from resprof.counting import walk
from resprof.errors import UsageError, printable
from resprof.records.architecture import Architecture, Shortcut, StrideIn
from resprof.records.cost import NetworkCost
from resprof.units import check_count

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from resprof.records.claim import CheckedClaim
    from resprof.records.comparison import ComparedResult
    from resprof.records.roofline import RooflineResult
    from resprof.records.table import Table

Option = TypeVar("Option", bound=StrEnum)

MOST_BATCH = 1_000_000_000


def architecture(
    name: str,
    *,
    image: int | tuple[int, int] | None = None,
    classes: int | None = None,
    in_channels: int | None = None,
    width: float | None = None,
    shortcut: str | None = None,
    stride_in: str | None = None,
) -> Architecture:
    """The architecture of that name, ``resnet50`` or ``resnet50-v1.5-C`` for example.

    ``image`` is a side or (height, width) in pixels, ``shortcut`` A, B or C, ``stride_in`` 1x1
    (v1) or 3x3 (v1.5). Raises ``resprof.errors.UsageError`` for what does not exist.
    """
    return resolve(
        name,
        image=(image, image) if isinstance(image, int) else image,
        classes=classes,
        in_channels=in_channels,
        width=width,
        shortcut=_one_of(Shortcut, shortcut, "shortcut") if shortcut else None,
        stride_in=_one_of(StrideIn, stride_in, "stride_in") if stride_in else None,
    )


def _one_of(options: type[Option], text: str, what: str) -> Option:
    try:
        return options(text)
    except ValueError:
        raise UsageError(
            f"no {what} {printable(text)}", hint=f"there are {', '.join(options)}"
        ) from None


def count(
    network: str | Architecture, *, image: int | tuple[int, int] | None = None
) -> NetworkCost:
    """Parameters, MACs and elements of a network for one image, by layer, block and stage.

    A MAC is one multiply-add of a convolution or fully connected layer, biases not counted.
    """
    if isinstance(network, str):
        return walk.count(architecture(network, image=image))
    if image is not None:
        raise ValueError("an architecture has its image size already")
    return walk.count(network)


def build(network: str | Architecture, *, zero_init_residual: bool = False) -> nn.Module:
    """The network as a module with He-initialised weights; loads torch.

    Where torchvision has the network, state_dict keys, shapes and outputs are the same: its
    checkpoints load with ``strict=True``. Works under ``torch.device("meta")``.
    """
    from resprof.models.build import build as build_module

    chosen = architecture(network) if isinstance(network, str) else network
    return build_module(chosen, zero_init_residual=zero_init_residual)


def paper(only: str | None = None) -> tuple[CheckedClaim, ...]:
    """Every claim that the paper makes in figures, held against what computing it again gives."""
    from resprof.jobs.paper import check_paper

    return check_paper(only)


def compare(
    baseline: str | Path, candidate: str | Path, *, margin: float | None = None
) -> tuple[ComparedResult, ...]:
    """Two run files of ``resprof bench``, configuration by configuration; loads no torch.

    ``margin`` is the share from which a difference is called faster or slower, 1% unless given.
    Between two devices there are neither ratios nor verdicts. Raises
    ``resprof.errors.UsageError`` for a file that is no run.
    """
    from resprof.jobs.compare import compare_files

    return compare_files(Path(baseline), Path(candidate), margin=margin)


def roofline(
    network: str | Architecture,
    device: str,
    *,
    mode: str = "infer",
    batch: int = 1,
    precision: str = "fp32",
    fusion: str = "unfused",
    per: str = "stage",
) -> RooflineResult:
    """What bounds a network on a device of the catalog, such as h100-sxm; loads no torch.

    ``mode`` is infer or train, ``fusion`` unfused or fused, ``per`` stage, block or layer. Raises
    ``resprof.errors.UsageError`` for what does not exist and for a precision that the device lacks.
    """
    from resprof.jobs.roofline import Against, device_called
    from resprof.jobs.roofline import roofline as held
    from resprof.records.flops import Per
    from resprof.records.fusion import Fusion
    from resprof.records.recipe import Mode, Precision, infer, train

    chosen = architecture(network) if isinstance(network, str) else network
    make = train if _one_of(Mode, mode, "mode") is Mode.TRAIN else infer
    arithmetic = _one_of(Precision, precision, "precision")
    against = Against(
        device=device_called(device),
        per=_one_of(Per, per, "per"),
        fusion=_one_of(Fusion, fusion, "fusion"),
    )
    images = check_count(batch, "batch", most=MOST_BATCH)
    recipe = replace(make(batch=images, image=chosen.image), precision=arithmetic)
    return held(chosen, recipe, against)[0]


def frame(table: Table) -> pd.DataFrame:
    """A table as a pandas DataFrame with its keys as columns; loads pandas."""
    import pandas as pd

    columns = [column.key for column in table.columns]
    return pd.DataFrame(list(table.rows), columns=pd.Index(columns))
