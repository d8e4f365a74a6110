"""The parent and its children: faults with a stand-in for the child, and the real one."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from resprof.errors import EnvironmentMissing, UsageError
from resprof.jobs.bench import measure
from resprof.measure import launch
from resprof.measure.environment import machine_environment
from resprof.measure.plan import Plan
from resprof.records.environment import DeviceKind, Environment
from resprof.records.recipe import Engine, Mode, Precision, Recipe, Workload
from resprof.records.run import Flag, Metric, Outcome, Record, Round, Stop, read_run, to_line

_WORKLOAD = Workload(
    model="cifar-resnet8",
    classes=10,
    in_channels=3,
    width=1.0,
    recipe=Recipe(mode=Mode.INFER, batch=2, image=(32, 32)),
)


def _rounds(number: int) -> list[Round]:
    return [
        Round(
            key=_WORKLOAD.text,
            device=DeviceKind.CPU,
            metric=metric,
            index=index,
            calls=1,
            samples_s=(0.5 + index,),
        )
        for index in range(number)
        for metric in Metric
    ]


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StandIn:
    return StandIn(monkeypatch, tmp_path)


class StandIn:
    """Replaces the child by a script that first writes an environment and some rounds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._monkeypatch = monkeypatch
        self._folder = folder

    def does(self, ending: str, rounds: int = 0) -> None:
        lines = self._folder / "lines"
        records: list[Record] = [machine_environment(), *_rounds(rounds)]
        lines.write_text("".join(to_line(record) for record in records))
        script = self._folder / "child.py"
        head = f"""
            import os, signal, sys, time
            sys.stdin.read()
            sys.stdout.write(open({str(lines)!r}).read())
            sys.stdout.flush()
        """
        script.write_text(dedent(head) + ending)
        self._monkeypatch.setattr(launch, "COMMAND", (sys.executable, str(script)))


def test_a_child_that_hangs_is_ended_and_its_rounds_stay(stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.does("time.sleep(600)", rounds=2)
    path = tmp_path / "run.jsonl"
    (result,) = measure([_WORKLOAD], run_file=path, time_limit_s=0.5, grace_s=0.5)
    assert result.outcome is Outcome.HUNG
    assert result.observed is None
    assert result.latency is not None
    assert result.latency.rounds == 2
    assert Flag.FEW_ROUNDS in result.flags
    assert read_run(path)[1:] == (*_rounds(2), result)


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("raise RuntimeError('the sky fell')", "RuntimeError: the sky fell"),
        ("sys.exit(9)", "exit code 9"),
    ],
)
def test_a_child_that_dies_is_a_failed_configuration_with_its_last_words(
    stand_in: StandIn, ending: str, said: str
) -> None:
    stand_in.does(ending)
    results = measure([_WORKLOAD, _WORKLOAD])
    assert [result.outcome for result in results] == [Outcome.FAILED] * 2
    assert all(said in (result.message or "") for result in results)
    assert all(result.latency is None and result.throughput is None for result in results)


def test_a_line_cut_by_a_death_is_not_a_record(stand_in: StandIn) -> None:
    stand_in.does('sys.stdout.write(\'{"schema":1,"rec\'); sys.stdout.flush()', rounds=1)
    (result,) = measure([_WORKLOAD])
    assert result.latency is not None
    assert result.latency.rounds == 1


def test_every_result_follows_an_environment_even_if_the_child_gave_none(
    stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "COMMAND", (sys.executable, "-c", "raise SystemExit(1)"))
    path = tmp_path / "run.jsonl"
    results = measure([_WORKLOAD], run_file=path)
    environment, result = read_run(path)
    assert isinstance(environment, Environment)
    assert environment.torch is None
    assert (result,) == results


def test_an_interrupt_ends_the_child_and_keeps_what_was_measured(
    stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in.does("time.sleep(600)", rounds=1)
    children: list[subprocess.Popen[str]] = []

    class Watched(subprocess.Popen[str]):
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options)  # type: ignore[call-overload]
            children.append(self)

    monkeypatch.setattr(subprocess, "Popen", Watched)
    path = tmp_path / "run.jsonl"
    seen: list[str] = []
    original = to_line

    def interrupted(record: Record) -> str:
        seen.append(type(record).__name__)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return original(record)

    monkeypatch.setattr("resprof.records.run.to_line", interrupted)
    with pytest.raises(KeyboardInterrupt):
        measure([_WORKLOAD], run_file=path)
    assert [child.poll() for child in children] == [-9]
    assert read_run(path)[1:] == (_rounds(1)[0],)


def test_everything_is_checked_before_anything_runs(stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.does("")
    path = tmp_path / "run.jsonl"
    half = replace(_WORKLOAD, recipe=replace(_WORKLOAD.recipe, precision=Precision.FP16))
    graph = replace(_WORKLOAD, recipe=replace(_WORKLOAD.recipe, engine=Engine.GRAPH))
    for wrong in (half, graph, replace(_WORKLOAD, model="resnet5O")):
        with pytest.raises(UsageError):
            measure([_WORKLOAD, wrong], run_file=path)
    with pytest.raises(UsageError, match="time limit"):
        measure([_WORKLOAD], run_file=path, time_limit_s=0)
    assert not path.exists()


def test_the_real_child_measures_a_network_and_says_where(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    told: list[tuple[int, int]] = []
    (result,) = measure(
        [_WORKLOAD],
        device=DeviceKind.CPU,
        run_file=path,
        progress=lambda done, total, _: told.append((done, total)),
        plan=Plan(round_s=0.05, warm_up_s=0.1),
        time_limit_s=20.0,
    )
    assert told == [(0, 1)]
    environment, *rounds, last = read_run(path)
    assert last == result
    assert isinstance(environment, Environment)
    assert environment.torch is not None
    assert not environment.torch.tf32_conv
    assert len(rounds) == 12
    assert result.outcome is Outcome.MEASURED
    assert result.device is DeviceKind.CPU
    assert result.latency is not None
    assert result.latency.interval_s is not None
    assert result.latency.interval_s.coverage == 1 - 2 * 0.5**6
    samples = [sample for each in rounds if isinstance(each, Round) for sample in each.samples_s]
    assert min(samples) > 0
    assert result.throughput is not None
    observed = result.observed
    assert observed is not None
    assert observed.stop is Stop.ROUNDS_DONE
    assert observed.outputs_finite
    assert observed.memory.activation_bytes is not None
    assert Flag.FEW_ROUNDS not in result.flags


def test_memory_that_runs_out_is_a_result() -> None:
    """A map of 4 PB; the allocator refuses it at once."""
    huge = replace(_WORKLOAD, recipe=replace(_WORKLOAD.recipe, batch=10**10, image=(320, 320)))
    (result,) = measure([huge], device=DeviceKind.CPU)
    assert result.outcome is Outcome.OUT_OF_MEMORY
    assert "memory" in (result.message or "")


def test_a_device_that_is_not_there_is_an_error_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(EnvironmentMissing, match="no CUDA device") as caught:
        measure([_WORKLOAD], device=DeviceKind.CUDA)
    assert "--device cpu" in caught.value.hint


def _run_python(code: str) -> str:
    command = (sys.executable, "-c", code)
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()


def test_the_parent_loads_no_torch() -> None:
    assert _run_python("import sys, resprof.jobs.bench; print('torch' in sys.modules)") == "False"


def test_the_child_starts_where_everything_but_torch_is_missing() -> None:
    missing = ("fvcore", "pandas", "rich", "typer", "pynvml", "altair", "jinja2")
    block = f"import sys; sys.modules.update(dict.fromkeys({missing}))"
    child = "import resprof.measure.child, resprof.jobs.bench_subject; print('ready')"
    assert _run_python(f"{block}; {child}") == "ready"


def test_the_environment_names_no_user_host_or_path() -> None:
    line = to_line(machine_environment())
    assert str(Path.home()) not in line
    assert str(Path.cwd()) not in line
    assert f'"{Path.home().name}"' not in line
