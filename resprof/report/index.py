"""The front page of a report: what is in it, and the measured figures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from resprof.records.table import Table
from resprof.report.markdown import markdown

_CONTENTS = {
    "networks": "counted: every network in a row",
    "stages": "counted: every network by stage, as in Table 1",
    "table1": "published beside counted: the FLOPs of the paper",
    "table6": "published beside counted: the parameters of its CIFAR networks",
    "paper": "published beside counted: every claim of the paper in figures",
    "measured": "measured: latency, throughput and memory",
    "activations": "measured: activation memory per stage",
}


def index(files: Iterable[str], *, measured: Table) -> str:
    """A Markdown page with a line for each table and the measured one in full."""
    lines = ["# resprof report", ""]
    for name in files:
        path = PurePosixPath(name)
        if path.suffix == ".md" and path.stem in _CONTENTS:
            csv, json = path.with_suffix(".csv"), path.with_suffix(".json")
            lines.append(
                f"- [{path.with_suffix('')}]({name}) ([csv]({csv}), [json]({json})): "
                f"{_CONTENTS[path.stem]}"
            )
    return "\n".join([*lines, "", markdown(measured)])
