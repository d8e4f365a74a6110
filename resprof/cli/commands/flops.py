"""`resprof flops`: what a network costs, exactly, and why others print other figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from resprof.answers.flops.flops import Per, flops_answer
from resprof.answers.flops.flops import flops as count_flops
from resprof.cli import options as opt
from resprof.cli.options import NetworkOptions, grouped
from resprof.cli.output import OutputOptions, advise
from resprof.errors import EXIT_NO, EXIT_OK, UsageError
from resprof.model.architecture import Architecture
from resprof.model.recipe import Mode

if TYPE_CHECKING:
    from resprof.answers.flops.flops import WitnessCheck


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
        bool,
        typer.Option(
            "--check", help="cross-check with fvcore and torch; exit code 1 if they differ"
        ),
    ] = False,
    reconcile: Annotated[
        bool, typer.Option("--reconcile", help="what other tools report, and why")
    ] = False,
    unique: Annotated[
        bool, typer.Option("--unique", help="the distinct convolution shapes, for a simulator")
    ] = False,
    output: OutputOptions,
) -> int:
    """Count parameters, MACs and FLOPs; check them against the paper."""
    out = output.checked()
    if unique and per is not None:
        raise UsageError(
            "--unique and --per contradict each other", hint="--unique has a row per shape"
        )
    images = opt.parse_batch(batch)
    if (reconcile or check) and per is not None:
        raise UsageError(
            "--per does not apply to --check and --reconcile",
            hint="leave it out: they count layer by layer",
        )
    if (reconcile or unique) and (mode is not Mode.INFER or images != 1):
        raise UsageError(
            "--reconcile and --unique are for one image, forward",
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
    out.write(flops_answer(results, side_by_side=len(results) > 1 and per is None))
    if not (check or reconcile or unique):
        advise(
            f"resprof flops {architectures[0].id} --reconcile   (why other tools report other "
            "numbers)"
        )
    disagree = any(witness.agrees is False for result in results for witness in result.check or ())
    return EXIT_NO if disagree else EXIT_OK


def _checked(architecture: Architecture, mode: Mode) -> tuple[WitnessCheck, ...]:
    from resprof.answers.flops.tools import check_counts

    return check_counts(architecture, mode)
