"""The counted part of a report: every network, and every claim of the paper."""

from __future__ import annotations

from resprof.catalog.networks import resolve, variants
from resprof.jobs.count import flops
from resprof.jobs.networks import show
from resprof.jobs.paper import check_paper
from resprof.records.recipe import Mode
from resprof.records.report import Counted


def counted() -> Counted:
    """Counts everything that has a name; a second or so, without torch."""
    architectures = [resolve(name) for name in variants()]
    return Counted(
        networks=tuple(flops(each) for each in architectures),
        steps=tuple(flops(each, mode=Mode.TRAIN) for each in architectures),
        shapes=tuple(show(each) for each in architectures),
        claims=check_paper(),
    )
