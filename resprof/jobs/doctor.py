"""Looking at this machine: what it is, and what about it would spoil a measurement."""

from __future__ import annotations

from resprof.analysis.guards import findings
from resprof.measure.host import host_state
from resprof.measure.probe import probe
from resprof.records.doctor import DoctorResult
from resprof.records.environment import Environment


def examine() -> tuple[Environment, DoctorResult]:
    """The environment that a measurement would have, and what was found; takes seconds."""
    # First, while nothing of ours runs.
    host = host_state()
    probed = probe(None)
    result = DoctorResult(
        rows=findings(probed.environment, host), host=host, failure=probed.failure
    )
    return probed.environment, result
