"""Workloads in the rows of a table: what they share stands once, above it."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Sequence
from operator import attrgetter
from typing import Any

from resprof.errors import Note
from resprof.model.recipe import OPTIONS, TRAINING, Mode, Recipe, Workload, in_words
from resprof.render.table import Column, Form, Origin, Table, Value
from resprof.units import format_shape


def result_fields(
    workload: Workload, *, key: str, title: str, rows: Sequence[object]
) -> dict[str, object]:
    """How the JSON of a result of one workload begins, flat; ``key`` is the workload in a line."""
    return {
        "model": workload.model,
        "title": title,
        "recipe": workload.recipe,
        "rows": rows,
        "total": None,
        "key": key,
        "classes": workload.classes,
        "in_channels": workload.in_channels,
        "width": workload.width,
    }


def recipe_text(recipe: Recipe, *, batch: bool = True) -> str:
    """The whole recipe in one line."""
    height, width = recipe.image
    parts = ["training step" if recipe.mode is Mode.TRAIN else "inference"]
    if batch:
        parts.append(f"batch {recipe.batch}")
    rest = [name for name in OPTIONS if name not in {"mode", "batch"}]
    return ", ".join([*parts, f"{height}x{width}", in_words(recipe, rest, whole=True)])


def training_text(recipe: Recipe) -> str | None:
    """What a training step does beside forward and backward; None in inference."""
    return in_words(recipe, TRAINING, whole=False) or None


def calibration_text(device: str | None) -> str:
    """On which device what only a GPU takes was measured, if on any."""
    return f"calibrated on {device}" if device else "uncalibrated"


def assumptions_table(assumptions: Sequence[Note]) -> Table:
    """What the prediction takes for granted."""
    return Table(
        name="assumptions",
        title="What this assumes",
        columns=(
            Column(key="code", title="about"),
            Column(key="message", title="assumption", form=Form.PROSE),
        ),
        rows=tuple((note.code, note.message) for note in assumptions),
    )


def bytes_column(
    key: str,
    title: str,
    priority: int = 0,
    value: Callable[[Any], object] | None = None,
    total: Callable[[Sequence[Any]], int] | None = None,
) -> Column:
    """A column of predicted bytes."""
    return Column(
        key=key,
        title=title,
        form=Form.BYTES,
        origin=Origin.PREDICTED,
        priority=priority,
        value=value,
        total=total,
    )


def recipe_column(
    key: str, title: str | None = None, form: Form = Form.TEXT, priority: int = 0
) -> Column:
    """A column of what the recipe of a result says."""
    return Column(
        key=key,
        title=title or key,
        form=form,
        priority=priority,
        value=lambda result: getattr(result.recipe, key),
    )


WORKLOAD = (
    Column(key="model", title="model", value=lambda each: each.model),
    Column(
        key="classes",
        title="classes",
        form=Form.COUNT,
        priority=1,
        value=lambda each: each.classes,
    ),
    Column(
        key="in_channels",
        title="channels",
        form=Form.COUNT,
        priority=1,
        value=lambda each: each.in_channels,
    ),
    Column(key="width", title="width", form=Form.NUMBER, priority=1, value=lambda each: each.width),
    Column(key="mode", title="mode", value=lambda each: each.recipe.mode),
    Column(key="batch", title="batch", form=Form.COUNT, value=lambda each: each.recipe.batch),
    Column(
        key="image",
        title="image",
        priority=1,
        value=lambda each: format_shape(each.recipe.image),
    ),
    Column(key="precision", title="precision", value=lambda each: each.recipe.precision),
    Column(
        key="memory_format",
        title="layout",
        priority=1,
        value=lambda each: each.recipe.memory_format,
    ),
    Column(key="engine", title="engine", value=lambda each: each.recipe.engine),
    Column(
        key="training",
        title="optimizer",
        priority=2,
        value=lambda each: training_text(each.recipe),
    ),
    Column(
        key="cudnn_benchmark",
        title="cudnn.benchmark",
        priority=1,
        value=lambda each: each.recipe.cudnn_benchmark,
    ),
)
"""All in which two workloads can differ, and no two that do have all cells the same."""

_NAMED_BY_ITSELF = {"model", "mode", "image", "precision", "memory_format", "engine", "training"}
"""Cells that say without a title what they are."""
_ORDINARY = {
    ("classes", 10),
    ("classes", 1000),
    ("in_channels", 3),
    ("width", 1.0),
    ("cudnn_benchmark", False),
}
"""What goes without saying."""


_OF_ROW = attrgetter("workload")


def workload_columns(
    of: Callable[[Any], Workload] = _OF_ROW, keys: Container[str] | None = None
) -> tuple[Column, ...]:
    """The columns of a workload for rows of which ``of`` gives it; those of ``keys``, or all."""
    return tuple(column.of(of) for column in WORKLOAD if keys is None or column.key in keys)


def differing_columns(
    rows: Sequence[Any],
    always: Sequence[str] = (),
    of: Callable[[Any], Workload] = _OF_ROW,
) -> tuple[tuple[Column, ...], str]:
    """The columns in which the rows' workloads differ, and what all have in common in words.

    The model and the batch of a single one stay in its row. The columns of the keys in ``always``
    are there whether workloads differ in them or not.
    """
    workloads = [of(row) for row in rows]
    kept = {*(column.key for column in _differing(workloads)), *always} or {"model", "batch"}
    texts = (
        _in_common(column, column.cell(workloads[0]))
        for column in WORKLOAD
        if column.key not in kept and workloads
    )
    return workload_columns(of, kept), ", ".join(text for text in texts if text)


def _differing(workloads: Sequence[Workload]) -> list[Column]:
    return [column for column in WORKLOAD if len({column.cell(each) for each in workloads}) > 1]


def distinctions(workloads: Sequence[Workload]) -> tuple[str, ...]:
    """What tells each of these from the others, in words."""
    columns = _differing(workloads)
    return tuple(
        ", ".join(_in_words(column, column.cell(each)) for column in columns) for each in workloads
    )


def distinguish(names: Sequence[Hashable], workloads: Sequence[Workload]) -> list[str]:
    """What has to be said beside each name where several have the same; empty for all others."""
    texts = [""] * len(workloads)
    same_name: dict[Hashable, list[int]] = {}
    for place, name in enumerate(names):
        same_name.setdefault(name, []).append(place)
    for places in same_name.values():
        found = distinctions([workloads[place] for place in places])
        for place, text in zip(places, found, strict=True):
            texts[place] = text
    return texts


def network_text(workload: Workload) -> str:
    """The model, and what of the network is out of the ordinary: ``resnet50 (width 0.5)``."""
    unusual = _unusual(workload, ("classes", "in_channels", "width"))
    return f"{workload.model} ({', '.join(unusual)})" if unusual else workload.model


def workload_text(workload: Workload) -> str:
    """The workload in a line: what of it is always named, and what is out of the ordinary."""
    recipe = workload.recipe
    head = {"model", "mode", "batch"}
    rest = _unusual(workload, [column.key for column in WORKLOAD if column.key not in head])
    return ", ".join([f"{workload.model} {recipe.mode} batch {recipe.batch}", *rest])


def _unusual(workload: Workload, keys: Container[str]) -> list[str]:
    """What has to be said of these columns, in words."""
    texts = [_in_common(column, column.cell(workload)) for column in WORKLOAD if column.key in keys]
    return [text for text in texts if text]


def _in_common(column: Column, value: Value) -> str | None:
    if column.key in _NAMED_BY_ITSELF and value is None:
        return None
    return None if (column.key, value) in _ORDINARY else _in_words(column, value)


def _in_words(column: Column, value: Value) -> str:
    if column.key in _NAMED_BY_ITSELF:
        return str(value)
    if isinstance(value, bool):
        return column.title if value else f"no {column.title}"
    return f"{column.title} {str(value).removesuffix('.0')}"
