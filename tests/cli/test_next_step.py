"""What to do after a comparison: the first thing that is open, as a command to type."""

from __future__ import annotations

from resprof.answers.compare.comparison import compare_runs
from resprof.answers.compare.tables import next_step
from resprof.measure.run_file import Record
from tests.factories import (
    ON_GPU,
    WORKLOAD,
    Launched,
    as_read,
    of,
    run_of,
    simple,
    steady,
    with_gpu,
)


def _six(call_s: float, *, between: float = 0.001) -> list[Launched]:
    return [steady(call_s * (1 + between * (number - 2.5))) for number in range(6)]


def _next(before: tuple[Record, ...], after: tuple[Record, ...]) -> str:
    read = [as_read(before, "a b.jsonl"), as_read(after, "c.jsonl")]
    results = compare_runs(read[0], read[1:])
    return next_step([each.label for each in read], results, asks=False)


def test_the_next_step_is_what_is_open() -> None:
    unsure = _next(simple(0.01, spread=0.3), simple(0.0105, spread=0.3))
    assert unsure.startswith(f"resprof bench {WORKLOAD.text} --device cpu --launches 6 --resume")
    assert "inconclusive" in unsure
    assert "makes the verdict reliable" in _next(simple(0.01), simple(0.02))
    loud = run_of((of(1), _six(0.01, between=0.1)))
    assert "--launches 12" in _next(loud, loud)
    lacking = _next(run_of((of(1), _six(0.01)), (of(2), _six(0.01))), run_of((of(1), _six(0.01))))
    assert "the baseline has it" in lacking
    assert "--batch 2 " in lacking
    done = _next(run_of((of(1), _six(0.01))), run_of((of(1), _six(0.01))))
    assert done.startswith("resprof compare 'a b.jsonl' c.jsonl --fail-on")
    other = with_gpu("NVIDIA A100-SXM4-80GB")
    side_by_side = _next(simple(0.01, environment=ON_GPU), simple(0.01, environment=other))
    assert "--published" in side_by_side
