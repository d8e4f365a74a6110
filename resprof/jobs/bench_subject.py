"""What a bench's child process measures: one of our networks. Loads torch."""

from __future__ import annotations

from resprof.jobs.trace import network_of
from resprof.jobs.workloads import architecture_of
from resprof.measure.subject import Subject
from resprof.models.batch_norm import settle_batch_norm
from resprof.records.recipe import Workload


def subject(workload: Workload) -> Subject:
    """The workload's network with fresh weights and how its batch norm is settled."""
    return Subject(network=network_of(architecture_of(workload)), settle=settle_batch_norm)
