"""JSON Schemas of all that resprof writes as JSON: what its commands answer, and its files.

They are generated from the records. Where JSON is not a record's own fields, its form is stated
here. ``python -m resprof.answers.schemas`` writes them to ``resprof/schemas``, where they are
published. An answer has exactly what its schema says; a file may have more, written by a later
resprof of the same schema.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar

from resprof.answers.bench.results import (
    MEMORY_FIGURES,
    BenchResult,
    BenchRow,
    Perturbation,
    TileTime,
)
from resprof.answers.compare.comparison import ComparedResult, ComparedRow, Figure
from resprof.answers.compare.published import PublishedBeside
from resprof.answers.doctor.findings import DoctorResult
from resprof.answers.environment import Category, EnvironmentDifference
from resprof.answers.flops.flops import FlopsResult, Per, Sibling, WitnessCheck
from resprof.answers.gpu.validation import GpuValidationResult, ValidationResult, ValidationRow
from resprof.answers.memory.budget import BudgetResult
from resprof.answers.memory.traces import LivePeaks
from resprof.answers.networks import ShowResult
from resprof.answers.report import folder
from resprof.answers.roofline import peaks
from resprof.answers.roofline.bounds import RooflineBound, RooflineResult
from resprof.codec import SCHEMA, FileFormat
from resprof.counting.cost import Kind
from resprof.counting.reconcile import ToolFigure
from resprof.errors import Note
from resprof.measure import run_file
from resprof.measure.run import Metric
from resprof.memory import history, overlay
from resprof.memory.allocator import Shortage
from resprof.memory.budget import Failure
from resprof.memory.prediction import (
    MemoryResult,
    PhaseMemory,
)
from resprof.memory.rules import AllocatorKind
from resprof.model.architecture import Architecture
from resprof.model.devices import Device
from resprof.model.environment import Environment
from resprof.model.published import CheckedClaim, Verdict
from resprof.model.recipe import Engine, Mode, Phase, Precision, Recipe, Workload
from resprof.render.answer import Answer, Rows
from resprof.render.table import Form, Origin

FOLDER = Path(__file__).parents[1] / "schemas"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SCALARS: Mapping[Any, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    types.NoneType: "null",
    None: "null",
}
_UNIONS = (typing.Union, types.UnionType)
_LENGTHS = tuple[int, ...] | None

Schema = dict[str, Any]


# Forms of JSON that are not a record's own fields.


class _CountedRecipe(TypedDict):
    mode: Mode
    batch: int
    image: tuple[int, int]


class _Costs(TypedDict):
    params: int
    macs: int
    flops: int


class _CountedTotal(_Costs):
    forward_macs: int
    backward_macs: int | None
    elements: int
    buffers: int


class _CountedPart(_Costs):
    stage: str
    block: str | None
    output: _LENGTHS
    share: float | None
    forward_macs: int
    backward_macs: int | None
    elements: int


class _Shape(TypedDict):
    kind: Kind
    input: tuple[int, ...]
    output: tuple[int, ...]
    kernel: _LENGTHS
    stride: _LENGTHS
    padding: _LENGTHS
    dilation: _LENGTHS
    groups: int | None


class _CountedLayer(_Shape, _Costs):
    stage: str
    block: str | None
    layer: str
    share: float | None
    forward_macs: int
    input_grad_macs: int | None
    weight_grad_macs: int | None
    elements: int


class _UniqueShape(_Shape):
    bias: bool
    multiplicity: int
    macs_each: int
    macs: int
    params_each: int
    params: int
    first_layer: str
    first_stage: str


class _PaperFigure(TypedDict):
    id: str
    where: str
    printed: str
    unit: str
    ours: float
    deviation: float
    verdict: Verdict


class _Flops(TypedDict):
    model: str
    title: str
    architecture: Architecture
    recipe: _CountedRecipe
    per: Per
    rows: tuple[_CountedPart | _CountedLayer, ...]
    total: _CountedTotal
    paper: _PaperFigure | None
    elsewhere: str | None
    unique: tuple[_UniqueShape, ...] | None
    check: tuple[WitnessCheck, ...] | None
    reconcile: tuple[ToolFigure, ...] | None
    sibling: Sibling | None


class _ShownStage(TypedDict):
    stage: str
    output: tuple[int, ...]
    layers: str


class _Show(TypedDict):
    model: str
    title: str
    recipe: None
    rows: tuple[_ShownStage, ...]
    total: _Costs
    paper: _PaperFigure | None


class _ListedNetwork(_Costs):
    model: str
    label: str
    options: tuple[str, ...]
    layers: int
    image: tuple[int, int]


class _MemoryTotal(TypedDict):
    activation_bytes: int
    at_peak_bytes: int


class _Allocator(TypedDict):
    kind: AllocatorKind
    roundup_power2_divisions: int
    max_split_bytes: int | None


class _StageActivation(TypedDict):
    stage: str
    measured_bytes: int
    predicted_bytes: int | None


class _PredictedBeside(TypedDict):
    activation_bytes: int
    peak_requested_bytes: int | None
    peak_allocated_bytes: int | None
    peak_reserved_bytes: int | None


class _PhaseCheck(TypedDict):
    phase: Phase
    predicted_bytes: int
    measured_bytes: int


class _ToldColumn(TypedDict):
    key: str
    title: str
    form: Form
    origin: Origin | None
    priority: int


_Cell = str | int | float | bool | tuple[str | int | float, ...] | None


class _Table(TypedDict):
    schema: Literal[1]
    table: str
    title: str
    subtitle: str
    columns: tuple[_ToldColumn, ...]
    rows: tuple[dict[str, _Cell], ...]
    total: dict[str, _Cell] | None
    notes: tuple[str, ...]


def _chosen(record: type, *names: str) -> dict[str, Any]:
    """Fields and properties of a record by their types."""
    hints = typing.get_type_hints(record)

    def of_property(name: str) -> Any:
        return typing.get_type_hints(getattr(record, name).fget)["return"]

    return {name: hints[name] if name in hints else of_property(name) for name in names}


def _fields(
    record: type, *properties: str, less: Sequence[str] = (), **more: Any
) -> dict[str, Any]:
    """A record's own fields by their types, some left out, with properties and others added."""
    names = [field.name for field in dataclasses.fields(record) if field.name not in less]
    return _chosen(record, *names, *properties) | more


_LEVELS = ("requested", "allocated", "reserved")
_MAYBE_BYTES = int | None
_NETWORK = {"title": str, "classes": int, "in_channels": int, "width": float}
_WORKLOAD = {"model": str, "recipe": Recipe, "total": None, "key": str}
_PEAKS = tuple(f"{at}_{level}_bytes" for at in ("peak", "end") for level in _LEVELS)
_BOUND = ("flops", "bytes", "intensity", "bound", "memory_share", "least_time_s")
_ACHIEVED = ("measured_time_s", "measured_flops_per_s", "achieved_share")
_PLACE = ("phase", "stage", "block", "layer", "ops")


class _RooflineRow(TypedDict):
    """A row of a roofline."""


class _RooflineTotal(TypedDict):
    """The sum of the rows, and what of it was measured, by which metric."""


class _FusionBound(TypedDict):
    """The whole call with another notion of a pass."""


_FORMS: Mapping[Any, Mapping[str, Any]] = {
    FlopsResult: typing.get_type_hints(_Flops),
    ShowResult: typing.get_type_hints(_Show),
    MemoryResult: _fields(
        MemoryResult,
        less=["phases"],
        total=_MemoryTotal,
        timeline=tuple[PhaseMemory, ...],
        allocator=_Allocator,
    ),
    PhaseMemory: _fields(PhaseMemory, less=["peak", "end"]) | dict.fromkeys(_PEAKS, int),
    BudgetResult: _fields(BudgetResult, "max_batch", "limit_bytes", "peak", total=None),
    Failure: _fields(Failure, less=["shortage"], **_fields(Shortage)),
    BenchResult: _fields(
        BenchResult,
        *("device", "outcome", "message", "first_call_s", "outputs_finite"),
        less=["configuration", "tiles", "perturbation"],
        **_WORKLOAD,
        **_NETWORK,
        halved_from=int | None,
        parts=tuple[TileTime, ...],
        parts_check=Perturbation | None,
        activations=tuple[_StageActivation, ...],
        predicted=_PredictedBeside | None,
    ),
    BenchRow: _fields(BenchRow, batch=int, precision=Precision, engine=Engine)
    | dict.fromkeys(MEMORY_FIGURES, _MAYBE_BYTES),
    RooflineResult: _fields(
        RooflineResult,
        "model",
        less=["architecture", "measured"],
        **_NETWORK,
        rows=tuple[_RooflineRow, ...],
        total=_RooflineTotal,
        bounds=tuple[_FusionBound, ...],
        phases=tuple[_RooflineRow, ...],
    ),
    _RooflineRow: _chosen(
        RooflineBound, *_PLACE, *_BOUND, "share", "attainable_time_s", *_ACHIEVED
    ),
    _RooflineTotal: _chosen(
        RooflineBound, *_BOUND, "most_images_per_s", "attainable_time_s", *_ACHIEVED
    )
    | {"measured_by": Metric | None, "measured_images_per_s": float | None},
    _FusionBound: _chosen(
        RooflineBound,
        *("fusion", "passes", *_BOUND[1:]),
        *("most_images_per_s", "attainable_time_s", "achieved_share"),
    ),
    ComparedResult: _fields(
        ComparedResult,
        *("presence", "comparable"),
        less=["before", "after"],
        **_WORKLOAD,
        **_NETWORK,
    ),
    ComparedRow: _fields(ComparedRow, quantity=str),
    Figure: _chosen(Figure, "value", "ci", "launches", "rounds", "outcome", "flags"),
    PublishedBeside: _fields(
        PublishedBeside,
        less=["result"],
        **_WORKLOAD,
        workload=Workload,
        latency_median_s=float | None,
        throughput_images_per_s=float | None,
    ),
    EnvironmentDifference: _fields(EnvironmentDifference, less=["category"], concern=Category),
    ValidationRow: _fields(
        ValidationRow,
        less=["peaks"],
        **_chosen(LivePeaks, "predicted_bytes", "measured_bytes", "error"),
        phases=tuple[_PhaseCheck, ...],
    ),
}
"""What JSON has in the place of a record's fields, where it has others."""

ANSWERS: Mapping[str, Any] = {
    "list": Rows[_ListedNetwork] | Rows[Device],
    "show": ShowResult,
    "flops": FlopsResult,
    "paper": Rows[CheckedClaim],
    "memory": MemoryResult,
    "budget": BudgetResult,
    "bench": BenchResult,
    "roofline": RooflineResult,
    "compare": BenchResult | ComparedResult | PublishedBeside,
    "validate": ValidationResult | GpuValidationResult,
    "doctor": DoctorResult,
}
"""What the results of each command are."""

FILES: Mapping[str, FileFormat[Any]] = {
    "run": run_file.RUN,
    "calibration": overlay.CALIBRATION,
    "peaks": peaks.PEAKS,
    "history": history.HISTORY,
    "manifest": folder.MANIFEST_FORMAT,
}
"""The formats of files; of those that are JSON lines, a schema is of one line."""


def schemas() -> dict[str, Schema]:
    """Every schema, by its path below the folder of published ones."""
    answers = {f"answers/{name}.json": _answer(name, kind) for name, kind in ANSWERS.items()}
    files = {f"files/{name}.json": _file(form) for name, form in FILES.items()}
    table = _Walk(open_ended=False)
    return answers | files | {"files/table.json": table.document(table.of(_Table), "A table.")}


def text_of(schema: Schema) -> str:
    """A schema's published text."""
    return json.dumps(schema, indent=1) + "\n"


def _answer(command: str, results: Any) -> Schema:
    walk = _Walk(open_ended=False)
    kinds = typing.get_args(results) if typing.get_origin(results) in _UNIONS else (results,)
    envelope: dict[str, Schema] = {
        "schema": {"const": SCHEMA},
        "command": {"const": command},
        "results": {"type": "array", "items": _one_of([walk.result(kind) for kind in kinds])},
        "environment": walk.of(Environment | None),
        "notes": walk.of(tuple[Note, ...]),
    }
    return walk.document(_object(envelope), f"What resprof {command} answers with --json.")


def _file(form: FileFormat[Any]) -> Schema:
    walk = _Walk(open_ended=True)
    records = [_with_head(walk.fields(kind), form.head(name)) for name, kind in form.kinds.items()]
    if form is history.HISTORY:
        (head,) = records
        head["properties"]["events"] = {"type": "integer", "description": "Lines that follow."}
        columns = typing.get_type_hints(history.HistoryEvent).values()
        records.append(walk.array(tuple(columns)))
    return walk.document(_one_of(records), f"A record of a {form.name}.")


def _with_head(schema: Schema, head: Mapping[str, object]) -> Schema:
    consts = {name: {"const": value} for name, value in head.items()}
    return {
        **schema,
        "properties": consts | schema["properties"],
        "required": [*consts, *schema["required"]],
    }


def _object(properties: Mapping[str, Schema]) -> Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _one_of(schemas: Sequence[Schema]) -> Schema:
    return schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)}


class _Walk:
    """Goes through types, each record once; ``open_ended`` objects may have more than is known."""

    def __init__(self, *, open_ended: bool) -> None:
        self._open_ended = open_ended
        self._definitions: dict[str, Schema] = {}
        self._kinds: dict[str, Any] = {}

    def document(self, schema: Schema, title: str) -> Schema:
        """The schema with all that it refers to."""
        head = {"$schema": _DIALECT, "title": title}
        return head | schema | {"$defs": dict(sorted(self._definitions.items()))}

    def result(self, kind: Any) -> Schema:
        """A command's result, with what the envelope fills in."""
        schema = self.fields(kind)
        filled = Answer.filled(dict.fromkeys(schema["properties"], 0))
        properties = {name: schema["properties"].get(name, {"type": "null"}) for name in filled}
        return {**schema, "properties": properties, "required": list(properties)}

    def of(self, kind: Any) -> Schema:
        """The schema of a type; ``TypeError`` for one that no JSON is of."""
        if kind is object:
            return {}
        if kind in _SCALARS:
            return {"type": _SCALARS[kind]}
        if inspect.isclass(kind) and issubclass(kind, Enum):
            return self._defined(kind, lambda: _enum(kind))
        if dataclasses.is_dataclass(kind) or typing.is_typeddict(kind):
            return self._defined(kind, lambda: self.fields(kind))
        return self._made_of(kind, typing.get_origin(kind), typing.get_args(kind))

    def _made_of(self, kind: Any, origin: Any, arguments: tuple[Any, ...]) -> Schema:
        if origin in _UNIONS:
            return _union([self.of(option) for option in arguments])
        if origin is Literal:
            return {"enum": list(arguments)}
        if origin is tuple:
            return self.array(arguments)
        if origin in {dict, Mapping}:
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        raise TypeError(f"no JSON Schema for {kind}")

    def fields(self, kind: Any) -> Schema:
        """An object with the fields of a record or of its form in JSON."""
        record, arguments = typing.get_origin(kind) or kind, typing.get_args(kind)
        hints = _FORMS.get(record)
        optional: set[str] = set()
        if hints is None and hasattr(record, "json_fields"):
            raise TypeError(f"the form of {record.__name__} in JSON has to be stated")
        if hints is None and typing.is_typeddict(record):
            hints = typing.get_type_hints(record)
        elif hints is None:
            hints = _fields(record)
            optional = {
                field.name
                for field in dataclasses.fields(record)
                if self._open_ended and field.default is not dataclasses.MISSING
            }
        known = dict(zip(getattr(record, "__parameters__", ()), arguments, strict=True))
        properties = {name: self.of(_bound(hints[name], known)) for name in hints}
        schema = _object(properties)
        schema["required"] = [name for name in hints if name not in optional]
        if self._open_ended:
            del schema["additionalProperties"]
        if dataclasses.is_dataclass(record):
            schema = {"description": inspect.getdoc(record)} | schema
        return schema

    def _defined(self, kind: Any, make: Callable[[], Schema]) -> Schema:
        name = kind.__name__.lstrip("_")
        if self._kinds.setdefault(name, kind) is not kind:
            raise TypeError(f"two kinds of record are called {name}")
        if name not in self._definitions:
            self._definitions[name] = {}  # a record may hold its own kind
            self._definitions[name] = make()
        return {"$ref": f"#/$defs/{name}"}

    def array(self, items: tuple[Any, ...]) -> Schema:
        """A list with items of these types, or of any length where an ellipsis comes second."""
        if items[-1] is Ellipsis:
            return {"type": "array", "items": self.of(items[0])}
        return {
            "type": "array",
            "prefixItems": [self.of(each) for each in items],
            "minItems": len(items),
            "maxItems": len(items),
        }


def _bound(hint: Any, known: Mapping[TypeVar, Any]) -> Any:
    """The type with what its variables stand for."""
    if isinstance(hint, TypeVar):
        return known[hint]
    variables = getattr(hint, "__parameters__", ())
    return hint[tuple(known[each] for each in variables)] if variables else hint


def _enum(kind: type[Enum]) -> Schema:
    return {"description": inspect.getdoc(kind), "enum": [member.value for member in kind]}


def _union(options: Sequence[Schema]) -> Schema:
    """In one line where all are scalars."""
    if all(list(option) == ["type"] for option in options):
        return {"type": [option["type"] for option in options]}
    return {"anyOf": list(options)}


def main() -> None:
    """Publishes the schemas, and nothing beside them."""
    for file in FOLDER.glob("*/*.json"):
        file.unlink()
    for name, schema in schemas().items():
        file = FOLDER / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text_of(schema), encoding="utf-8")


if __name__ == "__main__":
    main()
