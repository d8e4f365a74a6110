"""`resprof validate`: predicted memory held against a real run on this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from resprof.cli.options import grouped
from resprof.cli.output import Output, OutputOptions
from resprof.cli.progress import progress
from resprof.errors import EXIT_NO, EXIT_OK, NotMeasured, UsageError, printable, printable_path
from resprof.units import parse_share

if TYPE_CHECKING:
    from resprof.answers.gpu.validation import GpuValidationResult
    from resprof.memory.overlay import Calibration


class Part(StrEnum):
    """What of a validation on CUDA is run."""

    WORKLOADS = "workloads"
    LARGEST = "largest"


@grouped
def validate(
    *,
    models: Annotated[
        list[str] | None, typer.Argument(metavar="MODEL", help="networks; default: a standard set")
    ] = None,
    device: Annotated[str, typer.Option(metavar="cpu|cuda", help="device to run on")] = "cpu",
    tolerance: Annotated[
        str | None,
        typer.Option(metavar="P%", help="the error allowed; 0.05% on the CPU, 1% on CUDA"),
    ] = None,
    calibration: Annotated[
        str | None, typer.Option(metavar="FILE", help="CUDA: predict with a calibration file")
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="CUDA: keep the recorded histories in this folder"),
    ] = None,
    histories: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="check against kept histories; needs no GPU"),
    ] = None,
    only: Annotated[
        Part | None,
        typer.Option(help="CUDA: workloads event by event, or the largest batch; default: both"),
    ] = None,
    output: OutputOptions,
) -> int:
    """Check the predicted memory against a real run."""
    out = output.checked()
    allowed = parse_share(tolerance, "tolerance") if tolerance is not None else None
    if histories is not None:
        if models or only is not None or keep is not None or device != "cpu":
            raise UsageError(
                "--histories uses recorded runs, without a device",
                hint="leave out the models, --device, --keep and --only",
            )
        return _kept(_folder(histories), allowed, calibration, out)
    if device == "cuda":
        return _on_cuda(models or (), allowed, calibration, keep, only, out)
    if device != "cpu":
        raise UsageError(f"no device {printable(device)} here", hint="write cpu or cuda")
    if calibration is not None or keep is not None or only is not None:
        raise UsageError(
            "--calibration, --keep and --only do not apply on the CPU",
            hint="add --device cuda",
        )
    return _on_cpu(models, allowed, out)


def _on_cpu(models: Sequence[str] | None, tolerance: float | None, out: Output) -> int:
    from resprof.answers.gpu.tables import validation_answer
    from resprof.answers.gpu.validation import MODELS, TOLERANCE, validate_on_cpu, workloads

    with progress() as tell:
        result = validate_on_cpu(
            tuple(workloads(models or MODELS)),
            tolerance=TOLERANCE if tolerance is None else tolerance,
            progress=tell,
        )
    out.write(validation_answer(result))
    return EXIT_OK if all(row.within for row in result.rows) else EXIT_NO


def _on_cuda(
    models: Sequence[str],
    tolerance: float | None,
    calibration: str | None,
    keep: str | None,
    only: Part | None,
    out: Output,
) -> int:
    from resprof.answers.gpu.largest_batch import largest_workloads
    from resprof.answers.gpu.validate_cuda import TOLERANCE, gpu_workloads, validate_on_cuda

    with progress() as tell:
        result = validate_on_cuda(
            tuple(gpu_workloads(models)) if only is not Part.LARGEST else (),
            tolerance=TOLERANCE if tolerance is None else tolerance,
            calibration=_calibration(calibration),
            keep=_folder(keep) if keep is not None else None,
            progress=tell,
            largest=tuple(largest_workloads(models)) if only is not Part.WORKLOADS else (),
        )
    return _answered(result, out)


def _kept(folder: Path, tolerance: float | None, calibration: str | None, out: Output) -> int:
    from resprof.answers.gpu.validate_cuda import TOLERANCE, validate_histories

    with progress() as tell:
        result = validate_histories(
            folder,
            tolerance=TOLERANCE if tolerance is None else tolerance,
            calibration=_calibration(calibration),
            progress=tell,
        )
    return _answered(result, out)


def _answered(result: GpuValidationResult, out: Output) -> int:
    from resprof.answers.gpu.tables import gpu_validation_answer

    out.write(gpu_validation_answer(result))
    if any(answer.failure for answer in result.answers):
        return NotMeasured.exit_code
    return EXIT_NO if any(answer.within is False for answer in result.answers) else EXIT_OK


def _calibration(name: str | None) -> Calibration | None:
    from resprof.memory.overlay import read_calibration

    return read_calibration(Path(name)) if name is not None else None


def _folder(name: str) -> Path:
    folder = Path(name)
    if not os.path.isdir(folder):  # noqa: PTH112 # pathlib's raises for a name that is too long
        raise UsageError(f"no folder {printable_path(folder)}", hint="make it first")
    return folder
