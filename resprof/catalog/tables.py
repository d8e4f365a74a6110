"""Tables of He et al. 2015, and what others have measured since; read when first asked for."""

from __future__ import annotations

from functools import cache

from resprof.catalog.sheets import rows, scaled, text, whole
from resprof.records.published import (
    PublishedAccuracy,
    PublishedResult,
    Table1Row,
    Table6Row,
)
from resprof.records.recipe import Mode

TABLE1_DEPTHS = (18, 34, 50, 101, 152)
"""The columns of Table 1, in order."""


@cache
def table1() -> tuple[Table1Row, ...]:
    """Table 1: the stages of the ImageNet nets and, in the last row, their FLOPs (10^9)."""
    return tuple(
        Table1Row(
            stage=row["stage"],
            output=whole(row["output"]),
            cells=tuple(row[str(depth)] for depth in TABLE1_DEPTHS),
        )
        for row in rows("table1")
    )


@cache
def table6() -> tuple[Table6Row, ...]:
    """Table 6: CIFAR-10, ours and those of other papers that it quotes."""
    return tuple(
        Table6Row(
            method=row["method"],
            model=text(row["model"]),
            layers=whole(row["layers"]),
            params_printed=text(row["params_millions"]),
            error_printed=row["error_percent"],
        )
        for row in rows("table6")
    )


@cache
def accuracies() -> tuple[PublishedAccuracy, ...]:
    """The error rates and precisions from which the paper draws differences."""
    return tuple(
        PublishedAccuracy(
            id=row["id"], where=row["where"], what=row["what"], printed=row["percent"]
        )
        for row in rows("accuracies")
    )


@cache
def results() -> tuple[PublishedResult, ...]:
    """Throughputs and latencies of ResNets that others have measured and published."""
    return tuple(
        PublishedResult(
            source=row["source"],
            locator=row["locator"],
            mode=Mode(row["mode"]),
            scenario=text(row["scenario"]),
            device=row["device"],
            peaks_of=text(row["peaks_of"]),
            devices=int(row["n_devices"]),
            precision=row["precision"],
            layout=text(row["layout"]),
            engine=row["engine"],
            model=row["model"],
            batch=whole(row["batch"]),
            throughput_images_per_s=scaled(row["images_per_s"]),
            latency_s=scaled(row["latency_ms"], -3),
            latency_statistic=text(row["latency_stat"]),
            note=text(row["note"]),
        )
        for row in rows("results")
    )
