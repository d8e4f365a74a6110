"""The main job: every network counted, held against the paper, predicted and measured; written.

What is counted and predicted is text by file name, a pure function, so a test compares it with
what is committed; what is measured lies in a folder per device and is made from run files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from resprof.answers.bench.launches import LaunchOptions, Progress, bench, new_run_file, silent
from resprof.answers.bench.results import NOT_MEASURED, BenchResult
from resprof.answers.bench.tables import measured_table
from resprof.answers.flops.counts import flops
from resprof.answers.networks import show
from resprof.answers.paper.claims import check_paper
from resprof.answers.report.content import Counted, MeasuredDevice, Predicted, ReportContent
from resprof.answers.report.counted import counted_exhibits
from resprof.answers.report.folder import MANIFEST, RUNS, ReportFolder
from resprof.answers.report.measured import (
    PLAN,
    QUICK_LIMIT_S,
    latest_runs,
    measured_device,
    measured_exhibits,
    workloads,
)
from resprof.answers.report.page import document
from resprof.answers.report.predicted import (
    NETWORKS,
    predicted,
    predicted_exhibits,
    predicted_stems,
)
from resprof.errors import EnvironmentMissing
from resprof.measure.run_file import read_run
from resprof.model.networks import resolve, variants
from resprof.model.published import claims, notes
from resprof.model.recipe import Mode
from resprof.render.document import Exhibit
from resprof.render.drawing.pictures import is_available
from resprof.render.formats import forms
from resprof.render.page import check_available as check_page_available
from resprof.render.page import page_html
from resprof.render.table import Table


def counted() -> Counted:
    """Counts everything that has a name; a second or so, without torch."""
    architectures = [resolve(name) for name in variants()]
    return Counted(
        networks=tuple(flops(each) for each in architectures),
        steps=tuple(flops(each, mode=Mode.TRAIN) for each in architectures),
        shapes=tuple(show(each) for each in architectures),
        claims=check_paper(),
    )


__all__ = ["MANIFEST", "Report", "counted_files", "measured_files", "workloads", "write_report"]

Texts = dict[str, str]
"""Texts by their path below the report's folder."""

INDEX, INDEX_MD = "index.html", "index.md"
_SUFFIXES = ("csv", "json", "md", "svg", "png")
_NOT_DRAWN = "no charts are drawn: altair and vl-convert-python are not installed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a report wrote: its folder, its files, the run file, and what was measured.

    ``run_file`` is None where nothing was to be measured, ``measured`` where no run is known.
    """

    folder: Path
    files: tuple[str, ...]
    run_file: Path | None
    measured: Table | None
    failed: tuple[BenchResult, ...]
    notes: tuple[str, ...]


def write_report(
    folder: Path,
    *,
    quick: bool = False,
    force: bool = False,
    measure: bool = True,
    say: Callable[[str], None] = lambda _: None,
    progress: Progress = silent,
) -> Report:
    """Counts, checks, measures and predicts, and writes all of it below ``folder``.

    Files of an earlier report, named in its manifest, are replaced, and removed where this one is
    whole and has none of that name. A file of the same name that is not in it raises
    ``UsageError`` before any work, unless ``force``, and so does a link below ``folder`` where a
    file would be written. Run files are never replaced. Without
    ``measure`` the runs in the folder are all that is shown of measurements.
    """
    check_page_available()
    opened = ReportFolder.opened(folder, force=force)
    networks = NETWORKS[:1] if quick else NETWORKS
    costs = counted()
    exhibits = counted_exhibits(costs)
    stems = [*(each.stem for each in exhibits), *predicted_stems(networks)]
    opened.refuse_foreign([*_names(stems), INDEX, INDEX_MD, MANIFEST])
    opened.refuse_in_the_way(["measured", *([RUNS] if measure else []), *opened.owned])
    drawn = is_available()
    run_file: Path | None = None
    failed: tuple[BenchResult, ...] = ()
    if measure:
        with new_run_file(folder / RUNS, otherwise="name another folder with --out") as run_file:
            _say_counted(say)
            opened = opened.claimed(_texts(exhibits, drawn=drawn))
            opened.write(_texts(exhibits, drawn=drawn))
            failed = _measure(run_file, quick=quick, progress=progress)
    foretold, unpredicted = _predicted(networks, say)
    devices, unread = latest_runs(folder / RUNS, run_file)
    content = ReportContent(counted=costs, predicted=foretold, measured=devices)
    files = written_files(content, say=say)
    opened.refuse_foreign(files)
    opened = opened.claimed(files)
    opened.write(files)
    incomplete = [*unpredicted, *unread, *([] if drawn else [_NOT_DRAWN])]
    # What this machine or a run file lacks today, or nobody asked for, is no reason to lose what
    # was made before.
    removed = 0 if incomplete or quick else opened.settled(files)
    return Report(
        folder=folder,
        files=(*files, MANIFEST),
        run_file=run_file,
        measured=_first_table(devices),
        failed=failed,
        notes=(*incomplete, *_removed(removed)),
    )


def counted_files() -> Texts:
    """The counted tables of every network and the paper's claims, each in three forms."""
    return _texts(counted_exhibits(counted()), drawn=is_available())


def predicted_files(networks: Sequence[str] = NETWORKS) -> Texts:
    """The predicted tables and the numbers of charts of these networks, each in three forms."""
    found = predicted_exhibits(predicted(networks), counted())
    return _texts(found, drawn=is_available())


def measured_files(run_file: Path) -> tuple[Texts, Table]:
    """The tables of a run file, under a folder named after its device."""
    device = measured_device(read_run(run_file))
    texts = _texts(measured_exhibits(device), drawn=is_available())
    return texts, measured_table(device.environment, device.results)


def written_files(
    content: ReportContent, *, say: Callable[[str], None] = lambda _: None
) -> dict[str, str | bytes]:
    """Everything that is written of a report's content: tables, charts and pages."""
    from resprof.answers.report.page import index

    exhibits = _exhibits(content)
    charts = [(each.stem, each.chart) for each in exhibits if each.chart is not None]
    files: dict[str, str | bytes] = {}
    pictures: Texts = {}
    drawn = is_available()
    files |= _texts(exhibits, drawn=drawn)
    page = document(content, exhibits)
    if drawn:
        from resprof.render.drawing.pictures import png, svg

        say(f"drawing {len(charts)} charts")
        pictures = {stem: svg(chart) for stem, chart in charts}
        files |= {f"{stem}.svg": picture for stem, picture in pictures.items()}
        files |= {f"{stem}.png": png(picture) for stem, picture in pictures.items()}
    tables = [placed.item for placed in page.front if isinstance(placed.item, Table)]
    files[INDEX_MD] = index(exhibits, front=tables, drawn=drawn)
    files[INDEX] = page_html(page, pictures)
    return files


def _exhibits(content: ReportContent) -> list[Exhibit]:
    found = [*counted_exhibits(content.counted)]
    if content.predicted is not None:
        found += predicted_exhibits(content.predicted, content.counted)
    for device in content.measured:
        found += measured_exhibits(device)
    return found


def _measure(run_file: Path, *, quick: bool, progress: Progress) -> tuple[BenchResult, ...]:
    """Fills the run file; returns what could not be measured."""
    plan = replace(PLAN, time_limit_s=QUICK_LIMIT_S) if quick else PLAN
    options = LaunchOptions(plan=plan)
    benched = bench(workloads(quick=quick), run_file, options, predict=False, progress=progress)
    return tuple(result for result in benched.results if result.outcome in NOT_MEASURED)


def _predicted(
    networks: Sequence[str], say: Callable[[str], None]
) -> tuple[Predicted | None, list[str]]:
    """What is predicted, or why nothing is: a report of runs can be made without torch."""
    try:
        return predicted(networks, say=say), []
    except EnvironmentMissing as error:
        return None, [f"nothing is predicted: {error.message}"]


def _removed(files: int) -> list[str]:
    if not files:
        return []
    what = "1 file" if files == 1 else f"{files} files"
    return [f"removed what only an earlier report had: {what}"]


def _first_table(devices: Sequence[MeasuredDevice]) -> Table | None:
    if not devices:
        return None
    return measured_table(devices[0].environment, devices[0].results)


def _texts(exhibits: Iterable[Exhibit], *, drawn: bool) -> Texts:
    return {
        name: text for exhibit in exhibits for name, text in forms(exhibit, drawn=drawn).items()
    }


def _names(stems: Iterable[str]) -> list[str]:
    return [f"{stem}.{suffix}" for stem in stems for suffix in _SUFFIXES]


def _say_counted(say: Callable[[str], None]) -> None:
    say(f"counted {len(variants())} networks and {len(claims()) + len(notes())} claims")
