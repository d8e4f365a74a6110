"""Has a process of its own measure a configuration, and passes its records on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from resprof.measure.run import LaunchEnd, Order, Outcome
from resprof.measure.run_file import Record, from_line
from resprof.measure.worker import command, run_worker

COMMAND = command("resprof.measure.child:measure")


def run_child(
    order: Order,
    *,
    limit_s: float,
    sink: Callable[[Record], None],
    command: Sequence[str] = COMMAND,
) -> LaunchEnd:
    """Runs one configuration; every record but the last goes to ``sink`` as it comes.

    A process that is still there after ``limit_s`` is killed, as it is when this one is
    interrupted. Raises what it explains: ``EnvironmentMissing`` where the device asked for is not
    there, ``UsageError`` for a recipe that it refuses.
    """
    own = None

    def take(line: str) -> None:
        nonlocal own
        record = from_line(line)
        if isinstance(record, LaunchEnd):
            own = record
        else:
            sink(record)

    ended = run_worker(command, order, sink=take, limit_s=limit_s)
    if own is not None:
        return own
    ended.raise_explained()
    return LaunchEnd(
        key=order.workload.text,
        launch=order.launch,
        outcome=Outcome.FAILED if ended.late_s is None else Outcome.HUNG,
        message=ended.why,
        observed=None,
    )
