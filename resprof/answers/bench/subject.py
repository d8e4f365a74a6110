"""What the child process measures: one of our networks. Loads torch, and nothing that it need not.

What the child has loaded is in the memory that it measures, so this is a file of its own.
"""

from __future__ import annotations

from resprof.answers.memory.traces import network_of
from resprof.measure.subject import Subject
from resprof.model.networks import architecture_of
from resprof.model.recipe import Workload
from resprof.networks.build import settle_batch_norm


def subject(workload: Workload) -> Subject:
    """The workload's network with fresh weights and how its batch norm is settled."""
    return Subject(network=network_of(architecture_of(workload)), settle=settle_batch_norm)
