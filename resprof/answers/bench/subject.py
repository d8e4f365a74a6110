"""What a bench's child process measures: one of our networks. Loads torch."""

from __future__ import annotations

from resprof.answers.memory.traces import network_of
from resprof.measure.subject import Subject
from resprof.model.networks import architecture_of
from resprof.model.recipe import Workload
from resprof.networks.build import settle_batch_norm


def subject(workload: Workload) -> Subject:
    """The workload's network with fresh weights and how its batch norm is settled."""
    return Subject(network=network_of(architecture_of(workload)), settle=settle_batch_norm)
