"""The parent and its children: faults with a stand-in for the child, and the real one."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

import pytest

from resprof.answers.bench import launches as job
from resprof.answers.bench.figures import Flag, Over
from resprof.answers.bench.launches import LaunchOptions, Progress, measure, silent
from resprof.answers.bench.results import results_of
from resprof.errors import EnvironmentMissing, UsageError
from resprof.measure.host import machine_environment
from resprof.measure.launch import run_child
from resprof.measure.run import (
    EnergyWindow,
    LaunchEnd,
    LaunchStart,
    Metric,
    OnOom,
    Order,
    Outcome,
    Plan,
    Round,
    Stop,
    Tiling,
)
from resprof.measure.run_file import Record, RunFile, read_run, to_line
from resprof.model.environment import DeviceKind, Environment
from resprof.model.recipe import Engine, Mode, Optimizer, Precision, Workload
from tests.answers.bench.stand_in import (
    PLAN,
    WHOLE,
    ScriptedChild,
    ends_soon,
    let_children_do,
    taken,
    workload,
)
from tests.answers.bench.stand_in_child import end_of
from tests.factories import GPU, environment_of, rounds_of

MEASURED, FULL, FAILED = Outcome.MEASURED, Outcome.OUT_OF_MEMORY, Outcome.FAILED
HERE = environment_of()
DEAD = (sys.executable, "-c", "exit(1)")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


def run(
    workloads: Sequence[Workload],
    path: Path,
    options: LaunchOptions | None = None,
    *,
    resume: bool = False,
    environment: Environment | None = HERE,
    progress: Progress = silent,
    **changes: object,
) -> tuple[Record, ...]:
    """Measures into the file, of which nothing may differ from what is returned."""
    chosen = replace(options or LaunchOptions(device="cpu", plan=PLAN), **changes)  # type: ignore[arg-type]
    with RunFile(path, resume=resume) as file:
        records = measure(workloads, file, chosen, environment=environment, progress=progress)
    assert read_run(path) == records
    return records


# Children that are processes, and end as processes do.


def test_a_child_that_hangs_is_ended_with_what_it_started_and_its_rounds_stay(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = tmp_path / "pid"
    let_children_do(
        monkeypatch, f"environment(); rounds(2); sleep_beside({str(note)!r}); time.sleep(600)"
    )
    begun = time.monotonic()
    records = run([workload()], path, grace_s=2.5)
    assert time.monotonic() - begun < 60
    assert taken(records) == [(2, 0, Outcome.HUNG)]
    assert [each for each in records if isinstance(each, Round)] == rounds_of(workload(), 0, 2)
    assert ends_soon(int(note.read_text()))
    (result,) = results_of(records)
    assert result.outcome is Outcome.HUNG
    assert "2.7 s" in (result.message or "")
    assert all({Flag.FEW_ROUNDS, Flag.CUT_SHORT} <= set(row.flags) for row in result.rows)
    assert [row.rounds for row in result.rows] == [2, 2]


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        ("die('SIGKILL')", "SIGKILL"),
        ("die('SIGSEGV')", "SIGSEGV"),
        ("raise RuntimeError('the sky fell')", "RuntimeError: the sky fell"),
        ("sys.exit(9)", "exit code 9"),
        ("sys.exit(0)", "exit code 0"),
        ("sys.exit(2)", "exit code 2"),
        ("print('no such option', file=sys.stderr); sys.exit(2)", "no such option"),
        ("print('a\\nb: c\\nd: e', file=sys.stderr); sys.exit(3)", "d: e"),
    ],
)
def test_a_child_that_dies_is_a_failed_launch_with_its_last_words(
    path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, said: str
) -> None:
    let_children_do(monkeypatch, f"environment(); rounds(1); {ending}")
    records = run([workload(1), workload(2)], path)
    assert taken(records) == [(1, 0, FAILED), (2, 0, FAILED)]
    for result in results_of(records):
        assert said in (result.message or "")
        assert [row.rounds for row in result.rows] == [1, 1]


def test_a_child_that_dies_before_its_first_word_has_no_figures(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "run_child", partial(run_child, command=DEAD))
    records = run([workload()], path)
    (result,) = results_of(records)
    assert (result.outcome, result.device) == (FAILED, None)
    assert all(row.latency_median_s is None for row in result.rows)
    assert all(Flag.CUT_SHORT not in row.flags for row in result.rows)  # nothing was cut


def test_a_child_that_dies_alone_is_not_waited_for_until_what_it_started_ends(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process beside it holds the pipe from which the parent reads."""
    note = tmp_path / "pid"
    let_children_do(
        monkeypatch, f"environment(); rounds(1); sleep_beside({str(note)!r}); die('SIGKILL')"
    )
    begun = time.monotonic()
    records = run([workload()], path, grace_s=120.0)
    assert time.monotonic() - begun < 60
    assert taken(records) == [(2, 0, FAILED)]
    assert ends_soon(int(note.read_text()))


@pytest.mark.parametrize(
    "cut",
    [
        to_line(rounds_of(workload(), 0, 1)[0])[:-1].encode(),
        to_line(end_of(workload(), 0, FAILED, "caf\xe9")).encode().partition(b"\xa9")[0],
        b"{",
    ],
)
def test_a_line_cut_by_a_death_is_no_record(
    path: Path, monkeypatch: pytest.MonkeyPatch, cut: bytes
) -> None:
    let_children_do(monkeypatch, f"environment(); rounds(1); write({cut!r}); die('SIGKILL')")
    records = run([workload()], path)
    assert [each for each in records if isinstance(each, Round)] == rounds_of(workload(), 0, 1)
    assert taken(records) == [(2, 0, FAILED)]


@pytest.mark.parametrize(("code", "kind"), [(2, UsageError), (3, EnvironmentMissing)])
def test_what_a_child_explains_ends_the_run_as_its_own_error(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[UsageError]
) -> None:
    said = "a warning\nerror: no device: none\nhint: see: a manual"
    let_children_do(monkeypatch, f"print({said!r}, file=sys.stderr); sys.exit({code})")
    with pytest.raises(kind) as caught:
        run([workload()], path)
    assert (caught.value.message, caught.value.hint) == ("no device: none", "see: a manual")


def test_an_end_that_was_said_counts_whatever_becomes_of_the_process(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA has crashed in its own clean-up before."""
    let_children_do(monkeypatch, f"{WHOLE}; die('SIGSEGV')")
    assert taken(run([workload()], path)) == [(2, 0, MEASURED)]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError])
def test_whatever_interrupts_the_parent_ends_the_child_and_keeps_what_was_measured(
    path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    let_children_do(monkeypatch, "environment(); rounds(5); time.sleep(600)")
    children: list[subprocess.Popen[bytes]] = []

    class Watched(subprocess.Popen[bytes]):
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options)  # type: ignore[call-overload]
            children.append(self)

    monkeypatch.setattr(subprocess, "Popen", Watched)
    appended: list[Record] = []
    append = RunFile.append

    def interrupted(file: RunFile, record: Record) -> None:
        append(file, record)
        appended.append(record)
        if len(appended) == 5:
            raise error

    monkeypatch.setattr(RunFile, "append", interrupted)
    with pytest.raises(error):
        run([workload()], path)
    assert [child.poll() for child in children] == [-9]
    assert read_run(path) == tuple(appended)
    assert appended[2:] == rounds_of(workload(), 0, 2)[:3]


def test_a_disk_that_fills_up_ends_the_child_and_leaves_a_file_to_go_on_with(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_children_do(monkeypatch, WHOLE)
    real = RunFile.append
    room = 5

    def append(file: RunFile, record: Record) -> None:
        nonlocal room
        if room == 0:
            raise EnvironmentMissing("cannot write to the run file", hint="make room")
        room -= 1
        real(file, record)

    monkeypatch.setattr(RunFile, "append", append)
    with pytest.raises(EnvironmentMissing):
        run([workload()], path)
    assert len(read_run(path)) == 5
    room = 1000
    assert taken(run([workload()], path, resume=True)) == [(2, 0, None), (2, 1, MEASURED)]


# Which launches there are: children that are functions, so that many can be tried.


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> ScriptedChild:
    scripted = ScriptedChild()
    monkeypatch.setattr(job, "run_child", scripted)
    return scripted


def fits(most: int) -> Callable[[Order], Outcome]:
    """Batches up to that fit."""
    return lambda order: MEASURED if order.workload.recipe.batch <= most else FULL


def test_launches_go_round(path: Path, child: ScriptedChild) -> None:
    told: list[tuple[int, int, int]] = []
    run(
        [workload(8), workload(2), workload(4), workload(2)],
        path,
        launches=3,
        progress=lambda done, total, each: told.append((done, total, each.recipe.batch)),
    )
    assert child.ran == [(batch, launch) for launch in range(3) for batch in (8, 2, 4)]
    assert told == [(done, 9, (8, 2, 4)[done % 3]) for done in range(9)]
    assert [order.idle for order in child.orders] == [True] + [False] * 8


def test_an_order_says_all_that_a_child_needs(path: Path, child: ScriptedChild) -> None:
    run([workload()], path, subject="a.module:function", plan=replace(PLAN, energy_s=3.0))
    (order,) = child.orders
    assert (order.workload, order.device) == (workload(), "cpu")
    assert order.subject == "a.module:function"
    assert order.plan.energy_s == 3.0
    assert order.plan.tiling is Tiling.NONE


def test_a_child_is_late_after_twice_its_limit_beside_what_is_no_measuring(
    path: Path, child: ScriptedChild
) -> None:
    plan = replace(PLAN, time_limit_s=10.0, energy_s=3.0)  # an idle window, and one of calls
    run([workload()], path, plan=plan, grace_s=5.0)
    assert child.limits_s == [2 * 10.0 + 2 * 3.0 + 5.0]


def test_several_launches_give_an_interval_over_launches(path: Path, child: ScriptedChild) -> None:
    (one,) = results_of(run([workload()], path))
    assert all(row.ci_over is Over.ROUNDS for row in one.rows)
    assert all(Flag.ONE_PROCESS in row.flags for row in one.rows)
    (six,) = results_of(run([workload()], path, resume=True, launches=6))
    latency, throughput = six.rows
    calls_s = [0.001 * (2 + launch) for launch in range(6)]
    assert latency.launches == throughput.launches == 6
    assert latency.ci_over is Over.LAUNCHES
    assert latency.latency_median_s == pytest.approx(median(calls_s))
    assert latency.latency_ci_s == pytest.approx((min(calls_s), max(calls_s)))
    assert throughput.throughput_ci == pytest.approx((2 / max(calls_s), 2 / min(calls_s)))
    assert Flag.ONE_PROCESS not in latency.flags
    assert Flag.FEW_LAUNCHES not in latency.flags


def test_a_run_that_lacks_nothing_runs_nothing(path: Path, child: ScriptedChild) -> None:
    records = run([workload(1), workload(2)], path, launches=2)
    child.orders.clear()
    assert run([workload(2), workload(1)], path, launches=2, resume=True) == records
    assert run([workload(1)], path, launches=1, resume=True) == records
    assert child.orders == []


def test_a_resumed_run_tops_up_what_has_fewest_launches(path: Path, child: ScriptedChild) -> None:
    run([workload(1)], path, launches=2)
    child.orders.clear()
    run([workload(1), workload(2), workload(4)], path, launches=3, resume=True)
    assert child.ran == [(2, 0), (4, 0), (2, 1), (4, 1), (1, 2), (2, 2), (4, 2)]


@pytest.mark.parametrize("bad", [FAILED, Outcome.HUNG, None])
def test_a_launch_that_did_not_end_well_is_taken_again_under_a_new_number(
    path: Path, child: ScriptedChild, bad: Outcome | None
) -> None:
    child.becomes = lambda order: bad or MEASURED
    before = run([workload()], path)
    if bad is None:  # cut short: its end was never written
        path.write_text("".join(map(to_line, before[:-1])))
    child.becomes = lambda order: MEASURED
    records = run([workload()], path, resume=True)
    assert taken(records) == [(2, 0, bad), (2, 1, MEASURED)]
    (result,) = results_of(records)
    assert result.outcome is MEASURED
    assert all(row.launches == 1 for row in result.rows)
    assert all(Flag.CUT_SHORT not in row.flags for row in result.rows)


def test_a_launch_that_fails_is_not_tried_again_in_the_same_session(
    path: Path, child: ScriptedChild
) -> None:
    child.becomes = lambda order: FAILED if order.launch == 0 else MEASURED
    assert taken(run([workload()], path, launches=2)) == [(2, 0, FAILED), (2, 1, MEASURED)]


def test_out_of_memory_is_recorded_and_further_launches_are_given_up(
    path: Path, child: ScriptedChild
) -> None:
    child.becomes = fits(4)
    records = run([workload(8), workload(4)], path, launches=2)
    assert taken(records) == [(8, 0, FULL), (4, 0, MEASURED), (4, 1, MEASURED)]
    child.orders.clear()
    run([workload(8), workload(4)], path, launches=3, resume=True)
    assert child.ran == [(4, 2)]


def test_half_the_batch_is_measured_in_place_of_what_does_not_fit(
    path: Path, child: ScriptedChild
) -> None:
    child.becomes = fits(7)
    records = run([workload(50), workload(4)], path, launches=2, on_oom=OnOom.HALVE)
    assert taken(records) == [
        (50, 0, FULL),
        (25, 0, FULL),
        (12, 0, FULL),
        (6, 0, MEASURED),
        (4, 0, MEASURED),
        (6, 1, MEASURED),
        (4, 1, MEASURED),
    ]
    asked = {r.workload.recipe.batch: r.halved_from for r in records if isinstance(r, LaunchStart)}
    assert asked == {50: None, 25: 50, 12: 50, 6: 50, 4: None}
    halved = [
        result
        for result in results_of(records)
        if result.configuration.start.halved_from is not None
    ]
    assert [result.recipe.batch for result in halved] == [25, 12, 6]
    assert all(Flag.HALVED in row.flags for result in halved for row in result.rows)


def test_half_a_batch_that_was_asked_for_itself_stands_for_both(
    path: Path, child: ScriptedChild
) -> None:
    child.becomes = fits(4)
    records = run([workload(8), workload(4)], path, launches=2, on_oom=OnOom.HALVE)
    assert taken(records) == [(8, 0, FULL), (4, 0, MEASURED), (4, 1, MEASURED)]
    assert all(r.halved_from is None for r in records if isinstance(r, LaunchStart))
    child.orders.clear()
    run([workload(8), workload(4)], path, launches=3, on_oom=OnOom.HALVE, resume=True)
    assert child.ran == [(4, 2)]


@pytest.mark.parametrize("batch", [2, 3])
def test_a_single_image_that_does_not_fit_is_not_halved(
    path: Path, child: ScriptedChild, batch: int
) -> None:
    child.becomes = fits(0)
    records = run([workload(batch)], path, on_oom=OnOom.HALVE)
    assert taken(records) == [(batch, 0, FULL), (1, 0, FULL)]
    child.orders.clear()
    run([workload(batch)], path, on_oom=OnOom.HALVE, resume=True)
    assert child.ran == []


def test_halves_are_measured_on_resume_if_they_are_asked_for_only_then(
    path: Path, child: ScriptedChild
) -> None:
    child.becomes = fits(4)
    run([workload(8)], path)
    run([workload(8)], path, resume=True)
    assert child.ran == [(8, 0)]
    run([workload(8)], path, resume=True, on_oom=OnOom.HALVE)
    assert child.ran == [(8, 0), (4, 0)]


def test_a_run_cut_anywhere_is_resumed_to_what_it_would_have_been(
    path: Path, child: ScriptedChild
) -> None:
    """Whichever record is the last one: nothing that was measured is measured again."""

    def whole(resume: bool) -> tuple[Record, ...]:
        return run([workload(16), workload(3)], path, launches=2, on_oom=OnOom.HALVE, resume=resume)

    def measured(records: Sequence[Record]) -> list[int]:
        return sorted(batch for batch, _, outcome in taken(records) if outcome is MEASURED)

    child.becomes = fits(4)
    records = whole(False)
    for cut in range(len(records)):
        path.write_text("".join(map(to_line, records[:cut])))
        resumed = whole(True)
        assert resumed[:cut] == records[:cut]
        assert measured(resumed) == measured(records) == [3, 3, 4, 4]
        launches = [(batch, launch) for batch, launch, _ in taken(resumed)]
        assert len(set(launches)) == len(launches)
        full = [batch for batch, _, outcome in taken(resumed) if outcome is FULL]
        assert full == [16, 8]
        starts = [each for each in resumed if isinstance(each, LaunchStart)]
        halved = {start.workload.recipe.batch: start.halved_from for start in starts}
        assert halved == {16: None, 8: 16, 4: 16, 3: None}


def test_an_environment_is_written_once_for_all_launches_that_it_holds_for(
    path: Path, child: ScriptedChild
) -> None:
    child.environment = lambda order: environment_of(date=f"2026-01-0{1 + order.launch}")
    records = run([workload()], path, launches=3)
    assert [each for each in records if isinstance(each, Environment)] == [HERE]
    child.environment = lambda order: environment_of("3.0" if order.launch == 4 else "2.99")
    records = run([workload()], path, launches=6, resume=True)
    written = [
        (index, each.torch.version)
        for index, each in enumerate(records)
        if isinstance(each, Environment) and each.torch is not None
    ]
    assert [version for _, version in written] == ["2.99", "3.0", "2.99"]
    starts = [index for index, each in enumerate(records) if isinstance(each, LaunchStart)]
    assert starts[4] < written[1][0] < starts[5] < written[2][0]


def test_a_launch_follows_an_environment_even_if_no_child_gave_one(
    path: Path, child: ScriptedChild
) -> None:
    child.environment = lambda order: None
    first, start, *_ = run([workload()], path, environment=None)
    assert isinstance(first, Environment)
    assert first.torch is None
    assert isinstance(start, LaunchStart)


def test_switches_that_a_recipe_sets_are_those_of_the_child(
    path: Path, child: ScriptedChild
) -> None:
    """A look at the machine beforehand does not know them."""
    assert HERE.torch is not None
    seen = replace(HERE, torch=replace(HERE.torch, tf32_conv=True))
    records = run([workload()], path, environment=seen)
    assert [each for each in records if isinstance(each, Environment)] == [seen, HERE]
    child.orders.clear()
    run([workload()], path, environment=seen, resume=True, launches=2)
    assert child.ran == [(2, 1)]
    assert sum(isinstance(each, Environment) for each in read_run(path)) == 2


@pytest.mark.parametrize(
    ("here", "what"),
    [
        (environment_of("3.0"), "torch.version"),
        (replace(HERE, gpu=GPU), "gpu"),
        (replace(HERE, machine=replace(HERE.machine, cores=64)), "machine.cores"),
    ],
)
def test_a_file_from_elsewhere_is_refused_before_anything_runs(
    path: Path, child: ScriptedChild, here: Environment, what: str
) -> None:
    run([workload()], path)
    before = path.read_bytes() + b'{"schema":2,"record":"rou'
    path.write_bytes(before)
    child.orders.clear()
    with pytest.raises(UsageError, match=what) as caught:
        run([workload()], path, environment=here, resume=True, launches=2)
    assert "--run" in caught.value.hint
    assert child.orders == []
    assert path.read_bytes() == before


def test_another_day_is_not_elsewhere(path: Path, child: ScriptedChild) -> None:
    run([workload()], path)
    later = replace(HERE, date="2027-01-01", machine=replace(HERE.machine, load=3.0))
    assert len(taken(run([workload()], path, environment=later, resume=True, launches=2))) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": "resnet5O"},
        {"precision": Precision.TF32},
        {"engine": Engine.GRAPH},
        {"cudnn_benchmark": True},
        {"image": (1, 1)},
        {"mode": Mode.TRAIN},
        {"optimizer": Optimizer.SGD},
    ],
)
def test_everything_is_checked_before_anything_runs(
    path: Path, child: ScriptedChild, wrong: dict[str, object]
) -> None:
    good = workload()
    if "model" in wrong:
        bad = replace(good, **wrong)  # type: ignore[arg-type]
    else:
        bad = replace(good, recipe=replace(good.recipe, **wrong))  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        run([good, bad], path)
    with pytest.raises(UsageError):  # what is found out by looking, rather than by --device
        run([good, bad], path, device=None, resume=True)
    assert child.orders == []
    assert not path.exists()


# The real child.

QUICK = Plan(round_s=0.02, warm_up_s=0.05, time_limit_s=20.0, target_ci=None)


def test_the_real_child_measures_a_network_and_says_where(path: Path) -> None:
    begun = time.monotonic()
    records = run([workload()], path, plan=QUICK, environment=None)
    machine, start, found, *rounds, end = records
    assert isinstance(machine, Environment)
    assert isinstance(start, LaunchStart)
    assert isinstance(found, Environment)
    assert found.torch is not None
    assert not found.torch.tf32_conv
    assert machine == replace(found, torch=None, date=machine.date, machine=machine.machine)
    assert [each.index for each in rounds if isinstance(each, Round)] == [
        index for index in range(6) for _ in Metric
    ]
    assert not any(isinstance(each, EnergyWindow) for each in rounds)
    samples = [sample for each in rounds if isinstance(each, Round) for sample in each.samples_s]
    assert min(samples) > 0
    assert sum(samples) < time.monotonic() - begun
    assert isinstance(end, LaunchEnd)
    assert (end.outcome, end.message) == (MEASURED, None)
    observed = end.observed
    assert observed is not None
    assert (observed.device, observed.stop) == (DeviceKind.CPU, Stop.ROUNDS_DONE)
    assert observed.outputs_finite
    (result,) = results_of(records)
    latency, throughput = result.rows
    assert latency.ci_coverage == throughput.ci_coverage == 1 - 2 * 0.5**6
    assert result.memory == observed.memory
    assert result.memory.activation_bytes
    assert {stage.stage for stage in result.memory.stages} >= {"conv1", "fc"}


_NOISY = """
import os
print("said by Python")
os.write(1, b"said by a library\\n")
def subject(workload):
    print("said later")
    raise RuntimeError("CUDA error: it broke\\nCompile with `ADVICE` to see more.")
"""


def test_what_a_library_prints_is_no_record_and_what_it_raises_is_the_last_word(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "noisy.py").write_text(_NOISY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    records = run([workload()], path, subject="noisy:subject", environment=None)
    assert taken(records) == [(2, 0, FAILED)]
    (result,) = results_of(records)
    assert result.message == "RuntimeError: CUDA error: it broke"


def test_memory_that_runs_out_is_a_result(path: Path) -> None:
    """A map of 4 PB; the allocator refuses it at once."""
    big = workload(10**10)
    huge = replace(big, recipe=replace(big.recipe, image=(320, 320)))
    records = run([huge], path, environment=None)
    (result,) = results_of(records)
    assert result.outcome is FULL
    assert "memory" in (result.message or "")


def test_a_device_that_is_not_there_is_an_error_of_the_environment(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(EnvironmentMissing, match="no CUDA device") as caught:
        run([workload()], path, device="cuda", environment=None)
    assert "--device cpu" in caught.value.hint


def run_python(code: str) -> str:
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, check=True, text=True)
    return done.stdout.strip()


def test_the_parent_loads_no_torch() -> None:
    assert (
        run_python("import sys, resprof.answers.bench.launches; print('torch' in sys.modules)")
        == "False"
    )


def test_the_child_starts_where_everything_but_torch_is_missing() -> None:
    missing = ("fvcore", "pandas", "rich", "typer", "pynvml", "altair", "jinja2")
    block = f"import sys; sys.modules.update(dict.fromkeys({missing}))"
    child = "import resprof.measure.child, resprof.answers.bench.launches; print('ready')"
    assert run_python(f"{block}; {child}") == "ready"


def test_the_environment_names_no_user_host_or_path() -> None:
    line = to_line(machine_environment())
    assert str(Path.home()) not in line
    assert str(Path.cwd()) not in line
    assert f'"{Path.home().name}"' not in line
