"""What a bench's child process measures: one of our networks. Loads torch."""

from __future__ import annotations

from functools import partial

from resprof.jobs.bench import architecture_of
from resprof.measure.subject import Subject
from resprof.models.batch_norm import settle_batch_norm
from resprof.models.build import build
from resprof.models.stages import stage_modules
from resprof.records.recipe import Workload


def subject(workload: Workload) -> Subject:
    """The workload's network with fresh weights, its stages and how its batch norm is settled."""
    architecture = architecture_of(workload)
    model = build(architecture)
    return Subject(
        model=model,
        stages=dict(stage_modules(model, architecture)),
        settle=partial(settle_batch_norm, model),
        image=(architecture.in_channels, *architecture.image),
        classes=architecture.classes,
    )
