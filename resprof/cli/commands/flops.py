"""`resprof flops`: what a network costs, exactly, and why others print other figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from resprof.answers.flops.flops import (
    CONVENTION,
    FlopsResult,
    Per,
    comparison_table,
    flops_table,
    long_table,
    unique_table,
)
from resprof.answers.flops.flops import flops as count_flops
from resprof.cli import options as opt
from resprof.cli.options import NetworkOptions, grouped
from resprof.cli.output import OutputOptions, advise
from resprof.errors import EXIT_NO, EXIT_OK, Note, UsageError
from resprof.model.architecture import Architecture
from resprof.model.recipe import Mode
from resprof.render.answer import Answer
from resprof.render.table import Table

if TYPE_CHECKING:
    from resprof.answers.flops.flops import WitnessCheck

_CONVENTION = Note(code="convention", message=CONVENTION)


@grouped
def flops(
    *,
    models: opt.Models,
    per: Annotated[
        Per | None, typer.Option(help="rows: per stage (default), block or layer")
    ] = None,
    mode: Annotated[Mode, typer.Option(help="forward, or forward and backward")] = Mode.INFER,
    batch: opt.Batch = "1",
    network: NetworkOptions,
    check: Annotated[
        bool, typer.Option("--check", help="count again with fvcore and torch; 1 if they differ")
    ] = False,
    reconcile: Annotated[
        bool, typer.Option("--reconcile", help="what other tools print, and why")
    ] = False,
    unique: Annotated[
        bool, typer.Option("--unique", help="the distinct convolution shapes, for a simulator")
    ] = False,
    output: OutputOptions,
) -> int:
    """Count parameters, MACs and FLOPs; hold them against the paper."""
    out = output.checked()
    if unique and per is not None:
        raise UsageError(
            "--unique and --per contradict each other", hint="--unique has a row per shape"
        )
    images = opt.parse_batch(batch)
    if (reconcile or check) and per is not None:
        raise UsageError(
            "--per means nothing beside --check and --reconcile",
            hint="leave it out: they count layer by layer",
        )
    if (reconcile or unique) and (mode is not Mode.INFER or images != 1):
        raise UsageError(
            "--reconcile and --unique are of one image, forward",
            hint="leave out --mode and --batch",
        )
    architectures = [network.of(model) for model in models]
    results = tuple(
        count_flops(
            architecture,
            per=per or Per.STAGE,
            mode=mode,
            batch=images,
            with_unique=unique,
            with_reconcile=reconcile,
            check=_checked(architecture, mode) if check else None,
        )
        for architecture in architectures
    )
    out.write(
        Answer(command="flops", results=results, notes=(_CONVENTION,)),
        tables=lambda: _tables(results, compare=len(results) > 1 and per is None),
        csv=lambda: _csv(results),
    )
    if not (check or reconcile or unique):
        advise(f"resprof flops {architectures[0].id} --reconcile   (why other tools print others)")
    disagree = any(witness.agrees is False for result in results for witness in result.check or ())
    return EXIT_NO if disagree else EXIT_OK


def _checked(architecture: Architecture, mode: Mode) -> tuple[WitnessCheck, ...]:
    from resprof.answers.flops.tools import check_counts

    return check_counts(architecture, mode)


def _tables(results: tuple[FlopsResult, ...], *, compare: bool) -> list[Table]:
    extra = [table for result in results for table in _extra(result)]
    if extra:
        return extra
    if compare:
        return [comparison_table(results)]
    return [flops_table(result) for result in results]


def _csv(results: tuple[FlopsResult, ...]) -> list[Table]:
    extra = [_extra(result, as_sheet=True) for result in results]
    if any(len(tables) > 1 for tables in extra):
        raise UsageError(
            "--unique, --check and --reconcile give one table each, and CSV holds one table",
            hint="ask for one of them, or for --json",
        )
    return [table for tables in extra for table in tables] or [long_table(results)]


def _extra(result: FlopsResult, *, as_sheet: bool = False) -> list[Table]:
    tables = []
    if result.unique is not None:
        tables.append(unique_table(result, as_sheet=as_sheet))
    if result.check is not None or result.reconcile is not None:
        from resprof.answers.flops.tools import check_table, reconcile_table

        made = {check_table: result.check, reconcile_table: result.reconcile}
        tables += [
            table(result, as_sheet=as_sheet) for table, rows in made.items() if rows is not None
        ]
    return tables
