"""Every table that resprof makes, with the records that it is made of, each made once.

Commands are run as a user types them, on machines and runs that there need not be.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from traceback import walk_stack
from types import CodeType
from typing import Any

import pytest

from resprof.answers.doctor.findings import DoctorResult, Finding, Severity
from resprof.answers.doctor.tables import doctor_tables, findings_table
from resprof.answers.gpu import validation
from resprof.answers.memory.traces import live_peaks
from resprof.answers.report.content import ReportContent, counted, measured_device, predicted
from resprof.answers.report.exhibits import exhibits
from resprof.answers.report.page import document, speeds_table
from resprof.cli.main import main
from resprof.cli.output import Output
from resprof.measure.run import Outcome
from resprof.measure.run_file import Record
from resprof.render.answer import Answer
from resprof.render.chart import Chart, chart_table
from resprof.render.document import Exhibit, Placed
from resprof.render.table import Table
from tests.answers.bench.stand_in import ScriptedChild, on_a_gpu, put_in_place, quiet
from tests.answers.gpu import model_device
from tests.answers.gpu.model_device import ModelDevice, out_of_memory, scripted, taking_more
from tests.cli.scripted_rooflines import INFER, PHASED, STAGED, STEP, records
from tests.factories import (
    ON_GPU,
    Launched,
    of,
    run_of,
    steady,
    with_gpu,
    with_torch,
    written,
)

SMALL = "cifar-resnet8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a command or report shows: for readers, and as rows; with its records, if it has any."""

    source: str
    tables: tuple[Table, ...]
    sheets: tuple[Table, ...]
    answer: Answer[Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EveryTable:
    """All that is shown, and the code of whatever was at work when a table was made."""

    shown: tuple[Shown, ...]
    at_work: frozenset[CodeType]


def every_table(folder: Path) -> EveryTable:
    """All of them; run files go to the folder."""
    with _at_work() as codes:
        shown = tuple(_every_table(folder))
    return EveryTable(shown=shown, at_work=frozenset(codes))


@contextmanager
def _at_work() -> Iterator[set[CodeType]]:
    """The code from which tables are made, directly or not."""
    codes: set[CodeType] = set()
    made = Table.__init__

    def make(self: Table, /, **fields: Any) -> None:
        codes.update(frame.f_code for frame, _ in walk_stack(sys._getframe()))
        made(self, **fields)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Table, "__init__", make)
        yield codes


def _every_table(folder: Path) -> list[Shown]:
    with _seen() as found, pytest.MonkeyPatch.context() as patch:

        def typed(code: int, *arguments: object) -> None:
            before = len(found)
            assert main([str(argument) for argument in arguments]) == code, arguments
            assert len(found) == before + 1, arguments

        # Judged here: five processes would load torch five times.
        patch.setattr(validation, "_in_own_process", live_peaks)
        for arguments in _ANYWHERE:
            typed(0, *arguments)
        for code, *of_runs in _of_runs(folder):
            typed(code, *of_runs)
        for code, device, record in _GPUS:
            model_device.put_in_place(patch, device, record)
            typed(code, "validate", SMALL, "--device", "cuda")
        _scripted_bench(patch)
        typed(0, "bench", SMALL, "--batch", "1,8", "--run", folder / "bench.jsonl")
        training = ("--mode", "train", "--run", folder / "training.jsonl")
        typed(0, "bench", SMALL, "--batch", "4", *training)
        return [*found, _doctor(), *_of_a_report()]


def _scripted_bench(patch: pytest.MonkeyPatch) -> None:
    """A GPU that there need not be, and its child."""
    child = ScriptedChild()
    put_in_place(patch, child)
    on_a_gpu(child, patch)


_ANYWHERE: tuple[Sequence[str], ...] = (
    ("list",),
    ("list", "--devices"),
    ("show", "resnet50"),
    ("show", "resnet18", "resnet50-v1.5-C"),
    ("flops", "resnet50"),
    ("flops", "resnet50-v1.5", "--mode", "train", "--batch", "8"),
    ("flops", "resnet50", "--per", "block"),
    ("flops", "cifar-resnet20", "--per", "layer"),
    ("flops", "resnet50", "--unique"),
    ("flops", "resnet50", "--reconcile"),
    ("flops", "resnet18", "--check"),
    ("flops", "resnet50", "resnet34", "vgg16"),
    ("paper",),
    ("memory", SMALL),
    ("memory", SMALL, "--batch", "1,8", "--precision", "fp32,amp-bf16"),
    ("budget", SMALL, "--memory", "1GiB"),
    ("budget", SMALL, "--memory", "1GiB", "--grid"),
    ("roofline", "resnet50", "--device", "h100-sxm", "--batch", "8"),
    ("roofline", "resnet50", "--device", "a100-sxm4-80gb", "--mode", "train", "--per", "block"),
    ("roofline", "resnet18", "--device", "t4", "--per", "layer"),
    ("validate", SMALL),
    ("doctor",),
)
_GPUS: tuple[tuple[int, ModelDevice, Callable[..., Any]], ...] = (
    (1, ModelDevice(in_use=2**28), scripted),
    (1, ModelDevice(), taking_more(0.02)),
    (4, ModelDevice(total=2**28), out_of_memory),
)
"""Devices that there need not be, and with what the command ends on them."""


def _of_runs(folder: Path) -> Iterator[tuple[Any, ...]]:
    """Exit code and arguments."""
    before = written(folder / "before.jsonl", _run(1.0))
    after = written(folder / "after.jsonl", _run(1.03, with_torch("2.100", ON_GPU)))
    other = written(folder / "h100.jsonl", _run(0.5, with_gpu("NVIDIA H100 80GB HBM3")))
    staged = written(folder / "staged.jsonl", records((INFER, steady(0.04)), tiles=[STAGED]))
    broken = written(
        folder / "broken.jsonl",
        run_of(
            (of(1), [steady(0.001)]),
            (of(8), [Launched(latencies_s=(), outcome=Outcome.OUT_OF_MEMORY)]),
            environment=ON_GPU,
        ),
    )
    several = written(
        folder / "several.jsonl",
        records((INFER, steady(0.04)), (replace(INFER, batch=128), steady(0.021))),
    )
    phased = written(folder / "phased.jsonl", records((STEP, steady(0.061)), tiles=[PHASED]))
    yield 1, "compare", before, after, "--fail-on", "slower:2%"
    yield 0, "compare", before, other
    yield 0, "compare", staged, "--published"
    yield 0, "compare", broken, before
    yield 0, "roofline", "--run", staged
    yield 0, "roofline", "--run", several
    yield 0, "roofline", "--run", phased, "--mode", "train"


def _run(factor: float, environment: Any = ON_GPU) -> tuple[Record, ...]:
    return run_of(
        (of(1), [steady(0.001 * factor, energy_per_call_j=0.2)] * 4),
        (of(32), [steady(0.008 * factor, energy_per_call_j=1.5)] * 4),
        environment=environment,
    )


@contextmanager
def _seen() -> Iterator[list[Shown]]:
    """What the commands write, instead of writing it."""
    found: list[Shown] = []

    def write(_: Output, answer: Answer[Any]) -> None:
        shown = Shown(
            source=f"resprof {answer.command}",
            tables=tuple(answer.tables()),
            sheets=tuple(answer.sheets()),
            answer=answer,
        )
        found.append(shown)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Output, "write", write)
        yield found


def _doctor() -> Shown:
    """On a machine where something is to be done."""
    finding = Finding(
        code="power-cap",
        severity=Severity.CHANGES,
        message="The power limit is 350 W of 700 W.",
        fix="sudo nvidia-smi -i 00000000:41:00.0 -pl 700",
    )
    result = DoctorResult(rows=(finding,), host=quiet(), failure="torch cannot be loaded")
    return Shown(
        source="doctor",
        tables=tuple(doctor_tables(ON_GPU, result)),
        sheets=(findings_table(result),),
    )


def _of_a_report() -> Iterator[Shown]:
    content = ReportContent(
        counted=counted(),
        predicted=predicted(["resnet18"]),
        measured=(measured_device(_run(1.0)),),
    )
    shown = exhibits(content)
    yield from (_exhibited(exhibit) for exhibit in shown)
    page = document(content, shown)
    both = (*content.measured, measured_device(_run(0.5, with_gpu("NVIDIA H100 80GB HBM3"))))
    placed = [
        *page.front,
        Placed(item=speeds_table(both)),
        *(item for section in page.sections for item in section.items),
    ]
    yield Shown(source="the page", tables=_tables(each.item for each in placed), sheets=())


def _exhibited(exhibit: Exhibit) -> Shown:
    return Shown(source=exhibit.stem, tables=_tables(exhibit.shown), sheets=(exhibit.data,))


def _tables(items: Iterable[Table | Chart]) -> tuple[Table, ...]:
    return tuple(chart_table(item) if isinstance(item, Chart) else item for item in items)
