"""What bounds a network on a device: passes that were counted, held against a device's peaks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from resprof.answers.bench.figures import Flag
from resprof.answers.bench.results import BenchResult, results_of
from resprof.answers.bench.runs import measured_run
from resprof.answers.flops.flops import Per
from resprof.answers.roofline.bounds import (
    NOTHING_MEASURED,
    Call,
    RooflineResult,
    cached_share,
    conventions,
    measured_of,
)
from resprof.answers.roofline.peaks import (
    MeasuredPeaks,
    Peaks,
    datasheet_peaks,
    device_notes,
    measured_peaks,
    misfits,
)
from resprof.counting.cost import count
from resprof.counting.operators import operators
from resprof.counting.passes import passes
from resprof.counting.traffic import Fusion
from resprof.errors import Note, UsageError
from resprof.measure.run_file import Record
from resprof.model.architecture import Architecture
from resprof.model.devices import Device, device_of
from resprof.model.environment import Environment
from resprof.model.networks import architecture_of
from resprof.model.recipe import Engine, Mode, Recipe

_SHOWN_FLAGS = (
    Flag.LAUNCH_BOUND,
    Flag.THROTTLED,
    Flag.SHARED_GPU,
    Flag.PERTURBED,
    Flag.NOT_FINITE,
    Flag.HALVED,
    Flag.CUT_SHORT,
)
_OF_WORKLOAD = {"l2"}
"""Codes of notes that have another figure for each workload."""
_NAMED = 4
"""So many configurations of a run are named where none is the one that was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """What a network is held against: printed peaks, measured ones, or both.

    ``fusion`` None is what the engine does of itself: only a compiler fuses. Raises ``UsageError``
    for a whole network as one pass, of which there are no rows.
    """

    device: Device | None
    measured: tuple[MeasuredPeaks, ...] = ()
    per: Per = Per.STAGE
    fusion: Fusion | None = None

    def __post_init__(self) -> None:
        if self.fusion is Fusion.WHOLE:
            raise UsageError(
                "--fusion whole is a single pass, so it has no rows",
                hint="leave out --fusion: the bound of the whole network is always shown",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRoofline:
    """The measured configurations of a run, and what has to be known of them."""

    results: tuple[RooflineResult, ...]
    environment: Environment
    measured: tuple[BenchResult, ...]
    notes: tuple[Note, ...]


def roofline(
    architecture: Architecture, recipe: Recipe, against: Against
) -> tuple[RooflineResult, tuple[Note, ...]]:
    """What a call of the recipe takes at least, and what that means.

    Raises ``UsageError`` for a precision that the device lacks and for peaks of another device.
    """
    names = list(dict.fromkeys(each.device for each in against.measured))
    if against.device is not None:
        names = [name for name in names if device_of(name) is not against.device]
    elif len(names) == 1:
        against = replace(against, device=device_of(names.pop()))
    if names:
        raise UsageError(
            f"the peaks were measured on {names[0]!r}, which is not the device asked for",
            hint="name their device with --device, or leave out --peaks",
        )
    found = _result(architecture, recipe, against)
    return found, tuple(_notes(architecture, recipe, against, found))


def roofline_of_run(
    records: Sequence[Record], wanted: Mapping[str, object], against: Against
) -> RunRoofline:
    """The measured configurations of a run, held against their own device or the one given.

    ``wanted`` are fields of a result or of its recipe, and the values that they must have. Raises
    ``UsageError`` where no configuration has them, for a device that the catalog lacks and for
    what ran on a CPU.
    """
    environment = _environment(records)
    name = environment.gpu.name if environment.gpu else ""
    own = device_of(name)
    if against.device is None and own is None and not against.measured:
        raise UsageError(
            f"no datasheet for {name!r}",
            hint="give --device ID to compare with another card's peaks, or --peaks FILE with its "
            "own",
        )
    against = replace(against, device=against.device or own)
    results, notes = [], list(_other_device(name, own, against.device))
    measured, unmeasured = _chosen(results_of(records), wanted)
    for each in measured:
        architecture = architecture_of(each.workload)
        found = _result(architecture, each.recipe, against, ran=each, name=name)
        results.append(found)
        notes += _named(each, _notes(architecture, each.recipe, against, found), len(measured))
        if own is not None and against.device is own:
            notes += misfits(own, environment, each.recipe.precision)
    notes += unmeasured
    return RunRoofline(
        results=tuple(results),
        environment=environment,
        measured=measured,
        notes=tuple(dict.fromkeys(notes)),
    )


def _result(
    architecture: Architecture,
    recipe: Recipe,
    against: Against,
    *,
    ran: BenchResult | None = None,
    name: str | None = None,
) -> RooflineResult:
    """``ran`` is what was measured of it, on the device that its driver calls ``name``."""
    peaks, beside = _peaks(against, recipe, name)
    images = recipe.batch * (recipe.accumulate or 1)
    measured = NOTHING_MEASURED if ran is None else measured_of(ran, images)
    all_operators = operators(count(architecture), recipe)
    calls = {
        fusion: Call(
            passes=passes(all_operators, fusion),
            fusion=fusion,
            images=images,
            peaks=peaks,
            measured_peaks=beside,
        )
        for fusion in Fusion
    }
    fusion = against.fusion or (Fusion.FUSED if recipe.engine is Engine.COMPILE else Fusion.UNFUSED)
    call = calls[fusion]
    return RooflineResult(
        architecture=architecture,
        recipe=recipe,
        per=against.per,
        fusion=fusion,
        rows=call.rows(against.per, measured),
        total=call.total(measured),
        bounds=tuple(each.total(measured) for each in calls.values()),
        phases=call.phases(measured) if recipe.mode is Mode.TRAIN else (),
        peaks=peaks,
        measured_peaks=beside,
        measured=measured,
        measured_on=name,
        key=ran.key if ran else None,
        flags=_flags(ran) if ran else (),
    )


def _flags(ran: BenchResult) -> tuple[Flag, ...]:
    """What bears on a share; how sure a median is does not."""
    seen = {flag for row in ran.rows for flag in row.flags}
    return tuple(flag for flag in _SHOWN_FLAGS if flag in seen)


def _peaks(against: Against, recipe: Recipe, name: str | None) -> tuple[Peaks, Peaks | None]:
    """The peaks to hold it against, printed ones if there are any, and measured ones beside."""
    found = measured_peaks(against.measured, recipe.precision, name)
    if against.device is not None:
        return datasheet_peaks(against.device, recipe.precision), found
    if found is None:
        raise UsageError(
            f"no peaks were measured for {recipe.precision}",
            hint="measure them with resprof calibrate --peaks, or give --device ID",
        )
    return found, None


def _notes(
    architecture: Architecture, recipe: Recipe, against: Against, found: RooflineResult
) -> Iterator[Note]:
    device = against.device
    l2_bytes = device.l2_bytes // device.driver_devices if device else None
    share = cached_share(operators(count(architecture), recipe), l2_bytes) if l2_bytes else 0.0
    yield from conventions(recipe, l2_bytes=l2_bytes, cached=share)
    if device is not None:
        yield from device_notes(device)
    if against.measured and found.measured_peaks is None and device is not None:
        yield Note(
            code="peaks-missing",
            message=f"The file of measured peaks has no {recipe.precision} peak.",
        )


def _named(result: BenchResult, notes: Iterable[Note], results: int) -> Iterator[Note]:
    """The notes; among those of several workloads, what differs says whose it is."""
    recipe = result.recipe
    for note in notes:
        if results == 1 or note.code not in _OF_WORKLOAD:
            yield note
        else:
            whose = f"{result.model} {recipe.mode} batch {recipe.batch} {recipe.precision}"
            yield replace(note, message=f"{whose}: {note.message}")


def _environment(records: Sequence[Record]) -> Environment:
    """That of the last samples; those of a file never differ in their device."""
    found = measured_run(records).environment
    if found.gpu is None:
        raise UsageError(
            "the run was measured on a CPU, for which there is no datasheet",
            hint="measure it on a GPU, or leave out --run to see what bounds it on a --device",
        )
    return found


def _other_device(name: str, own: Device | None, device: Device | None) -> Iterator[Note]:
    if device is not None and device is not own:
        yield Note(
            code="other-device",
            message=f"Measured on {name!r} but compared with the peaks of {device.name}: the "
            "shares compare two different cards.",
        )


def _chosen(
    results: Sequence[BenchResult], wanted: Mapping[str, object]
) -> tuple[tuple[BenchResult, ...], list[Note]]:
    """Those that were asked for and measured, and a note on those that could not be."""
    asked = [each for each in results if all(_value(each, key) == wanted[key] for key in wanted)]
    if not asked:
        there = dict.fromkeys(
            f"{each.model} {each.recipe.mode} batch {each.recipe.batch} {each.recipe.precision}"
            for each in results
        )
        raise UsageError(
            "the run file has no such configuration",
            hint=f"it has {'; '.join(list(there)[:_NAMED]) or 'none'}"
            + ("; ..." if len(there) > _NAMED else ""),
        )
    measured = tuple(each for each in asked if any(row.samples for row in each.rows))
    notes = [
        Note(code="not-measured", message=f"Not measured: {each.key}: {each.outcome}.")
        for each in asked
        if each not in measured
    ]
    if not measured:
        raise UsageError(
            f"none of that was measured: {asked[0].outcome}", hint="measure it: resprof bench"
        )
    return measured, notes


def _value(result: BenchResult, key: str) -> object:
    workload = result.workload
    return getattr(workload if hasattr(workload, key) else workload.recipe, key)
