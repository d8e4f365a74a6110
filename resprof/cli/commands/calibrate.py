"""`resprof calibrate`: what only a GPU takes, measured once in place of documented defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from resprof.cli.output import Force, advise, emit, say
from resprof.errors import UsageError, printable


def calibrate(
    device: Annotated[str, typer.Option(metavar="cuda", help="device to measure")] = "cuda",
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE", help="write the calibration to this file"),
    ] = None,
    peaks: Annotated[
        bool,
        typer.Option("--peaks", help="measure peak FLOP/s and bandwidth instead, for roofline"),
    ] = False,
    force: Force = False,
) -> None:
    """Measure a GPU's memory overheads, or its peak rates."""
    if device != "cuda":
        raise UsageError(
            f"no calibration for device {printable(device)}", hint="write --device cuda"
        )
    from resprof.answers.gpu import peaks as measured
    from resprof.answers.gpu.calibrate import calibrate_on_cuda
    from resprof.answers.roofline.peaks import peaks_text
    from resprof.files import check_writable, write_whole
    from resprof.memory.overlay import calibration_text

    file = Path(output) if output not in (None, "-") else None
    if file is not None:
        check_writable(file, force=force)
    text = peaks_text(measured.peaks_on_cuda()) if peaks else calibration_text(calibrate_on_cuda())
    if file is None:
        emit(text)
    else:
        write_whole(file, text)
        say(f"wrote {file}")
        advise(
            f"resprof roofline resnet50 --device ID --peaks {file}"
            if peaks
            else f"resprof memory resnet50 --calibration {file}"
        )
