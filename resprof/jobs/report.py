"""The main job: every network counted, held against the paper, and the common ones measured.

The counted part is text by file name, a pure function, so a test compares it with what is
committed; the measured part lies in a folder per device and is made from a run file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from resprof.catalog.networks import resolve, variants
from resprof.catalog.published import claims, notes
from resprof.errors import UsageError, printable_path
from resprof.jobs.bench import bench, new_run_file
from resprof.jobs.bench_results import results_of
from resprof.jobs.count import flops
from resprof.jobs.launches import LaunchOptions, Progress, silent
from resprof.jobs.paper import check_paper
from resprof.jobs.workloads import workload_of
from resprof.records.bench import NOT_MEASURED, BenchResult
from resprof.records.codec import SCHEMA, to_json
from resprof.records.environment import Environment
from resprof.records.flops import FlopsResult
from resprof.records.plan import Plan
from resprof.records.recipe import Mode, Workload, infer, train
from resprof.records.run_file import read_run
from resprof.records.table import Table
from resprof.report.data import data
from resprof.report.files import write_whole
from resprof.report.index import index
from resprof.report.markdown import markdown
from resprof.report.sheet import sheet
from resprof.report.tables import flops as flops_tables
from resprof.report.tables import paper as paper_tables
from resprof.report.tables.bench import long_table
from resprof.report.tables.environment import device_name
from resprof.report.tables.measured import activations_table, measured_table

Files = dict[str, str]
"""Texts by their path below the report's folder."""

MANIFEST = "manifest.json"
_FIGURES = (
    ("table1", "GMAC", 'What the paper calls "FLOPs", for every form of its networks'),
    ("table6", "M", "What the paper prints as parameters of its CIFAR networks"),
)
_MEASURED_NETS = ("resnet18", "resnet34", "resnet50")
_PLAN = Plan(
    target_ci=None, round_s=0.4, round_calls=1, warm_up_calls=4, warm_up_s=0.8, time_limit_s=14.0
)
"""Short: nine configurations in two and a half minutes of a two-core machine."""
_QUICK_LIMIT_S = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a report wrote: its folder, its files, the run file, and what was measured."""

    folder: Path
    files: tuple[str, ...]
    run_file: Path
    measured: Table
    failed: tuple[BenchResult, ...]


def write_report(
    folder: Path,
    *,
    quick: bool = False,
    force: bool = False,
    say: Callable[[str], None] = lambda _: None,
    progress: Progress = silent,
) -> Report:
    """Counts, checks and measures, and writes all tables and an index below ``folder``.

    Files of an earlier report, named in its manifest, are replaced; a file of the same name that
    is not in it raises ``UsageError`` before any work, unless ``force``. Run files are never
    replaced.
    """
    _make_folder(folder)
    counted = counted_files()
    owned = _owned(folder)
    _refuse_foreign(folder, [*counted, "index.md", MANIFEST], owned, force=force)
    plan = replace(_PLAN, time_limit_s=_QUICK_LIMIT_S) if quick else _PLAN
    with new_run_file(folder / "runs", otherwise="name another folder with --out") as run_file:
        say(f"counted {len(variants())} networks and {len(claims()) + len(notes())} claims")
        # The manifest first: after an interrupt the next report may still replace these files.
        _write(folder, {MANIFEST: _manifest({*counted, *owned})} | counted)
        benched = bench(
            workloads(quick=quick),
            run_file,
            LaunchOptions(plan=plan),
            predict=False,
            progress=progress,
        )
    measured, table = measured_files(run_file)
    _refuse_foreign(folder, measured, owned, force=force)
    every = {**counted, **measured}
    last = {"index.md": index(every, measured=table), MANIFEST: _manifest({*every, *owned})}
    _write(folder, measured | last)
    return Report(
        folder=folder,
        files=(*every, *last),
        run_file=run_file,
        measured=table,
        failed=tuple(r for r in benched.results if r.outcome in NOT_MEASURED),
    )


def counted_files() -> Files:
    """The counted tables of every network and the paper's claims, each in three forms."""
    results = tuple(flops(resolve(name)) for name in variants())
    files = three_forms(flops_tables.overview_table(results))
    files |= three_forms(
        flops_tables.long_table(results),
        name="stages",
        readable=[_section(result) for result in results],
    )
    for name, unit, title in _FIGURES:
        chosen = [result for result in results if result.paper and result.paper.unit == unit]
        files |= three_forms(paper_tables.figures_table(name, title, chosen))
    return files | three_forms(paper_tables.claims_table(check_paper()))


def _section(result: FlopsResult) -> Table:
    """A network's section; the convention stands on the overview, not in every section."""
    return replace(flops_tables.flops_table(result), notes=flops_tables.paper_notes(result))


def measured_files(run_file: Path) -> tuple[Files, Table]:
    """The tables of a run file, under a folder named after its device."""
    records = read_run(run_file)
    environment = next(r for r in records if isinstance(r, Environment))
    results = results_of(records)
    table = measured_table(environment, results)
    folder = f"measured/{slug(device_name(environment))}"
    files = three_forms(long_table(results), name="measured", readable=[table])
    files |= three_forms(activations_table(environment, results))
    return {f"{folder}/{name}": text for name, text in files.items()}, table


def three_forms(
    table: Table, *, name: str | None = None, readable: Sequence[Table] | None = None
) -> Files:
    """A table as CSV, JSON and Markdown; in Markdown ``readable`` stands for it."""
    stem = name or table.name
    return {
        f"{stem}.csv": sheet(table),
        f"{stem}.json": data(table),
        f"{stem}.md": "\n".join(markdown(part) for part in readable or [table]),
    }


def workloads(*, quick: bool) -> tuple[Workload, ...]:
    """What a report measures: inference at two batch sizes and a training step, fp32."""
    chosen = _MEASURED_NETS[:1] if quick else _MEASURED_NETS
    return tuple(
        _workload(model, mode, batch)
        for model in chosen
        for mode, batch in ((Mode.INFER, 1), (Mode.INFER, 8), (Mode.TRAIN, 4))
    )


def _workload(model: str, mode: Mode, batch: int) -> Workload:
    architecture = resolve(model)
    recipe = train if mode is Mode.TRAIN else infer
    return workload_of(architecture, recipe(batch=batch, image=architecture.image))


def slug(name: str) -> str:
    """A device's name as a folder's name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unknown"


def _manifest(files: set[str]) -> str:
    return to_json({"schema": SCHEMA, "files": sorted({*files, "index.md", MANIFEST})})


def _owned(folder: Path) -> set[str]:
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        return {str(file) for file in files}
    except FileNotFoundError:
        return set()
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(
            f"{printable_path(folder / MANIFEST)} is not the manifest of a report",
            hint="name another folder with --out",
        ) from None


def _refuse_foreign(
    folder: Path, files: Sequence[str] | Files, owned: set[str], *, force: bool
) -> None:
    foreign = [name for name in files if name not in owned and (folder / name).exists()]
    if foreign and not force:
        raise UsageError(
            f"{printable_path(folder / foreign[0])} exists and is not of an earlier report",
            hint="name another folder with --out, or replace it with --force",
        )


def _make_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(
            f"{printable_path(folder)} is not a folder", hint="name another one with --out"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"cannot make the folder {printable_path(folder)}: {error.strerror}",
            hint="name another folder with --out",
        ) from None
    if not os.access(folder, os.W_OK):
        raise UsageError(
            f"cannot write in {printable_path(folder)}", hint="name another folder with --out"
        )


def _write(folder: Path, files: Files) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(folder / name, text)
