"""From traces at two batch sizes to events at any. Loads no torch."""

from __future__ import annotations

from collections.abc import Sequence

from resprof.records.trace import Action, Event, Trace
from resprof.tracing.raw import RawTrace

Stages = Sequence[tuple[str, tuple[str, ...]]]
"""Each stage's name and the paths of its modules."""


def join(
    first: RawTrace,
    second: RawTrace,
    *,
    key: str,
    torch: str,
    steps: int,
    stages: Stages,
) -> Trace | None:
    """The trace for all batch sizes; None where the two differ in more than bytes.

    Bytes and elements are those of ``first`` and an equal share for each further image.
    """
    if first.seen != second.seen or len(first.blocks) != len(second.blocks):
        return None
    pairs = list(zip(first.blocks, second.blocks, strict=True))
    if any((one.role, one.module) != (other.role, other.module) for one, other in pairs):
        return None
    further = second.batch - first.batch
    amounts = []
    elements = []
    for one, other in pairs:
        per_image, rest = divmod(other.bytes - one.bytes, further)
        if rest or per_image < 0 or one.bytes < per_image * first.batch:
            return None
        amounts.append((one.bytes - per_image * first.batch, per_image))
        more = (other.elements - one.elements) // further
        elements.append((more, one.elements - more * first.batch))
    per_image, constant = max(elements)
    return Trace(
        key=key,
        torch=torch,
        batches=(first.batch, second.batch),
        steps=steps,
        events=_events(first, amounts, stages),
        largest_elements=(constant, per_image),
    )


def alone(raw: RawTrace, *, key: str, torch: str, steps: int, stages: Stages) -> Trace:
    """The trace for the batch size of ``raw`` and no other."""
    return Trace(
        key=key,
        torch=torch,
        batches=(raw.batch,),
        steps=steps,
        events=_events(raw, [(block.bytes, 0) for block in raw.blocks], stages),
        largest_elements=(max(block.elements for block in raw.blocks), 0),
    )


def _events(raw: RawTrace, amounts: list[tuple[int, int]], stages: Stages) -> tuple[Event, ...]:
    """An allocation belongs to the module of its block, a free to the one that ran last."""
    events = []
    stage_of = _stage_of_modules(raw, stages)
    for action, number, onto, operator, module, phase, step in raw.seen:
        block = raw.blocks[number]
        constant, per_image = amounts[number]
        where = block.module if action is Action.ALLOCATE else module
        events.append(
            Event(
                action=action,
                block=number,
                onto=onto,
                constant=constant,
                per_image=per_image,
                operator=operator,
                module=where,
                stage=stage_of[where],
                phase=phase,
                step=step,
                role=block.role,
            )
        )
    return tuple(events)


def _stage_of_modules(raw: RawTrace, stages: Stages) -> dict[str, str]:
    """A module is of the stage that names it or one that it lies in; others are of none."""
    named = {path: stage for stage, paths in stages for path in paths}
    paths = {action.module for action in raw.seen} | {block.module for block in raw.blocks}
    found = {}
    for path in paths:
        parts = path.split(".")
        outer = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
        found[path] = next((named[name] for name in outer if name in named), "")
    return found
