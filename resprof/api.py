"""What a notebook calls; the command line is a thin shell over the same answers.

Counting takes a millisecond and loads no torch. ``build`` loads torch and ``frame`` pandas, each
when it is called; ``predict_memory`` and ``budget`` load torch for what was not traced before.

A network is a name or an ``architecture``. Options have the names and values that they have as
options of the command; whatever does not exist or is out of range raises
``resprof.errors.UsageError``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar, Unpack

from resprof.counting.cost import NetworkCost
from resprof.counting.cost import count as count_network
from resprof.errors import Note, UsageError
from resprof.memory.budget import MARGIN
from resprof.model.architecture import Architecture, Shortcut, StrideIn
from resprof.model.networks import Image, resolve, sides
from resprof.model.recipe import Recipe, RecipeWords, one_of, recipe_in_words
from resprof.units import as_share, as_size

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from resprof.answers.compare.comparison import ComparedResult
    from resprof.answers.memory.budget import BudgetResult
    from resprof.answers.roofline.bounds import RooflineResult
    from resprof.memory.overlay import Calibration
    from resprof.memory.prediction import MemoryResult
    from resprof.model.published import CheckedClaim
    from resprof.render.answer import Answer
    from resprof.render.table import Table

    Result = (
        Architecture
        | NetworkCost
        | CheckedClaim
        | ComparedResult
        | RooflineResult
        | MemoryResult
        | BudgetResult
    )


def architecture(
    name: str,
    *,
    image: Image | None = None,
    classes: SupportsIndex | None = None,
    in_channels: SupportsIndex | None = None,
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
        image=None if image is None else sides(image),
        classes=classes,
        in_channels=in_channels,
        width=width,
        shortcut=None if shortcut is None else one_of(Shortcut, shortcut, "shortcut"),
        stride_in=None if stride_in is None else one_of(StrideIn, stride_in, "stride_in"),
    )


def count(network: str | Architecture, *, image: Image | None = None) -> NetworkCost:
    """Parameters, MACs and elements of a network for one image, by layer, block and stage.

    A MAC is one multiply-add of a convolution or fully connected layer, biases not counted.
    """
    return count_network(_network(network, image))


def build(network: str | Architecture, *, zero_init_residual: bool = False) -> nn.Module:
    """The network as a module with He-initialised weights; loads torch.

    Where torchvision has the network, state_dict keys, shapes and outputs are the same: its
    checkpoints load with ``strict=True``. Works under ``torch.device("meta")``.
    """
    from resprof.networks.loading import torch_loaded

    with torch_loaded():
        from resprof.networks.build import build as build_module

    return build_module(_network(network), zero_init_residual=zero_init_residual)


def paper(only: str | None = None) -> tuple[CheckedClaim, ...]:
    """Every claim that the paper makes in figures, held against what computing it again gives."""
    from resprof.answers.paper.claims import check_paper

    return check_paper(only)


def compare(
    baseline: str | Path, candidate: str | Path, *, margin: float | None = None
) -> tuple[ComparedResult, ...]:
    """Two run files of ``resprof bench``, configuration by configuration; loads no torch.

    ``margin`` is the share from which a difference is called faster or slower, 1% unless given.
    Between two devices there are neither ratios nor verdicts. Raises
    ``resprof.errors.UsageError`` for a file that is no run.
    """
    from resprof.answers.compare.comparison import compare_files

    return compare_files(Path(baseline), Path(candidate), margin=margin)


def roofline(
    network: str | Architecture,
    device: str,
    *,
    mode: str = "infer",
    batch: SupportsIndex = 1,
    precision: str = "fp32",
    fusion: str = "unfused",
    per: str = "stage",
) -> RooflineResult:
    """What bounds a network on a device of the catalog, such as h100-sxm; loads no torch.

    ``mode`` is infer or train, ``fusion`` unfused or fused, ``per`` stage, block or layer. Raises
    ``resprof.errors.UsageError`` for what does not exist and for a precision that the device lacks.
    """
    from resprof.answers.devices import device_called
    from resprof.answers.flops.flops import Per
    from resprof.answers.roofline.roofline import Against
    from resprof.answers.roofline.roofline import roofline as held
    from resprof.counting.traffic import Fusion

    chosen = _network(network)
    recipe = recipe_in_words(chosen.image, mode=mode, batch=batch, precision=precision)
    against = Against(
        device=device_called(device),
        per=one_of(Per, per, "per"),
        fusion=one_of(Fusion, fusion, "fusion"),
    )
    return held(chosen, recipe, against)[0]


def predict_memory(
    model: str | Architecture,
    *,
    mode: str = "train",
    batch: SupportsIndex = 1,
    image: Image | None = None,
    expandable: bool = False,
    device: str | None = None,
    calibration: str | Path | None = None,
    **recipe: Unpack[RecipeWords],
) -> MemoryResult:
    """What a workload takes on a GPU, in bytes, predicted without one.

    ``optimizer`` to ``checkpoint`` are of training alone; None is sgd-momentum, foreach, 1 and
    none. ``expandable`` is the allocator with expandable segments. ``device``, of the catalog, says
    how large cuBLAS's workspace is, ``calibration``, the file of a device, all that was measured
    there; one of them at most.
    """
    chosen = _network(model, image)
    asked = _recipe(chosen, mode, batch, recipe)
    answer = predictions(
        chosen, [asked], expandable=expandable, device=device, calibration=calibration
    )
    return answer.results[0]


def predictions(
    network: Architecture,
    recipes: Sequence[Recipe],
    *,
    expandable: bool,
    device: str | None,
    calibration: str | Path | None,
) -> Answer[MemoryResult]:
    """The same for several recipes, with what all that assumes."""
    from resprof.answers.devices import capability_of
    from resprof.answers.memory.prediction import memory_answer, predict_memory
    from resprof.memory.rules import AllocatorKind

    calibrated = _calibration(calibration)
    capability = capability_of(device, calibrated, [recipe.precision for recipe in recipes])
    predicted = _with_notes(
        predict_memory(
            network,
            recipe,
            calibration=calibrated,
            capability=capability,
            kind=AllocatorKind.EXPANDABLE if expandable else AllocatorKind.DEFAULT,
        )
        for recipe in recipes
    )
    return memory_answer(*predicted)


def budget(
    model: str | Architecture,
    *,
    memory: str | SupportsIndex | None = None,
    device: str | None = None,
    calibration: str | Path | None = None,
    used: str | SupportsIndex = 0,
    margin: str | float = MARGIN,
    grid: bool = False,
    mode: str = "train",
    image: Image | None = None,
    **recipe: Unpack[RecipeWords],
) -> BudgetResult:
    """The largest batch that fits a GPU, predicted without one.

    Just one of ``memory`` (bytes, or a text such as 80GiB), ``device`` (of the catalog, such as
    h100-sxm) and ``calibration`` (the file of a device) says how much memory there is. ``used`` is
    in use already, like ``memory``; ``margin`` is the share of it to keep free, or a text such as
    5%. ``grid`` asks by precision, optimiser and checkpointing too. The others are as in
    ``predict_memory``.
    """
    chosen = _network(model, image)
    asked = _recipe(chosen, mode, 1, recipe)
    answer = budgets(
        [(chosen, asked)],
        memory=memory,
        device=device,
        calibration=calibration,
        used=used,
        margin=margin,
        grid=grid,
    )
    return answer.results[0]


def budgets(
    workloads: Sequence[tuple[Architecture, Recipe]],
    *,
    memory: str | SupportsIndex | None,
    device: str | None,
    calibration: str | Path | None,
    used: str | SupportsIndex,
    margin: str | float,
    grid: bool,
) -> Answer[BudgetResult]:
    """The same for several workloads of one precision, with what all that assumes."""
    from resprof.answers.devices import memory_and_capability
    from resprof.answers.memory.budget import budget_answer, largest_batch

    calibrated = _calibration(calibration)
    precision = workloads[0][1].precision
    total, capability = memory_and_capability(memory, device, calibrated, precision)
    used_bytes, share = as_size(used, "used"), as_share(margin, "margin")
    largest = _with_notes(
        largest_batch(
            network,
            recipe,
            total_bytes=total,
            used_bytes=used_bytes,
            margin=share,
            calibration=calibrated,
            capability=capability,
            grid=grid,
        )
        for network, recipe in workloads
    )
    return budget_answer(*largest)


Found = TypeVar("Found")


def _with_notes(
    answers: Iterable[tuple[Found, tuple[Note, ...]]],
) -> tuple[tuple[Found, ...], tuple[Note, ...]]:
    """The results, and each note once."""
    results, notes = zip(*answers, strict=True)
    return results, tuple(dict.fromkeys(note for each in notes for note in each))


def frame(results: Table | Result | Iterable[Result]) -> pd.DataFrame:
    """What a function here returns, or a list of it, as a pandas DataFrame; loads pandas.

    The rows are those that the command writes as CSV, with columns of the same names in base
    units; an ``architecture`` has those of ``resprof show``. A table has its own.
    """
    import pandas as pd

    from resprof.render.table import Table

    if isinstance(results, Table):
        tables: Sequence[Table] = [results]
    else:
        of_one_kind = tuple(results) if isinstance(results, Iterable) else (results,)
        tables = _answer(of_one_kind).sheets()
    columns = [column.key for column in tables[0].columns]
    rows = [row for table in tables for row in table.rows]
    return pd.DataFrame(rows, columns=pd.Index(columns))


_HINT = "give what one of resprof's functions returns, or a list of what the same one returned"


def _answer(results: Sequence[Result]) -> Answer[Any]:
    """The answer that a command would give with results of one kind.

    Raises ``UsageError`` where there are none, more than one kind, or one that has no rows.
    """
    kinds = {type(result) for result in results}
    if len(kinds) != 1:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        what = (
            (f"results of different kinds cannot share a table: {names}") if kinds else "no results"
        )
        raise UsageError(what, hint=_HINT)
    (kind,) = kinds
    answer = _answers().get(kind)
    if answer is None:
        raise UsageError(f"there are no rows of a {kind.__name__}", hint=_HINT)
    return answer(results)


def _answers() -> Mapping[type, Callable[[Sequence[Any]], Answer[Any]]]:
    """Every kind of result with its command's answer."""
    from resprof.answers.compare.comparison import ComparedResult
    from resprof.answers.compare.tables import compare_answer
    from resprof.answers.flops.flops import flops, flops_answer
    from resprof.answers.memory.budget import BudgetResult, budget_answer
    from resprof.answers.memory.prediction import memory_answer
    from resprof.answers.networks import show_answer
    from resprof.answers.paper.claims import paper_answer
    from resprof.answers.roofline.bounds import RooflineResult
    from resprof.answers.roofline.tables import roofline_answer
    from resprof.memory.prediction import MemoryResult
    from resprof.model.published import CheckedClaim

    return {
        Architecture: show_answer,
        NetworkCost: lambda costs: flops_answer([flops(cost.architecture) for cost in costs]),
        CheckedClaim: paper_answer,
        ComparedResult: compare_answer,
        RooflineResult: roofline_answer,
        MemoryResult: memory_answer,
        BudgetResult: budget_answer,
    }


def _network(network: str | Architecture, image: Image | None = None) -> Architecture:
    if isinstance(network, str):
        return architecture(network, image=image)
    if image is not None:
        raise UsageError(
            "an architecture has its image size already",
            hint="leave image out, or give it to architecture()",
        )
    return network


def _recipe(network: Architecture, mode: str, batch: SupportsIndex, words: RecipeWords) -> Recipe:
    for name in words.keys() - RecipeWords.__annotations__:
        raise TypeError(f"unexpected keyword argument {name!r}")
    return recipe_in_words(network.image, mode=mode, batch=batch, **words)


def _calibration(file: str | Path | None) -> Calibration | None:
    from resprof.memory.overlay import read_calibration

    return None if file is None else read_calibration(Path(file))
