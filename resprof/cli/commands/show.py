"""`resprof show`: a network in the form of the paper's Table 1."""

from __future__ import annotations

from resprof.cli import options as opt
from resprof.cli.output import Output, advise
from resprof.records.answer import Answer


def show(
    models: opt.Models,
    image: opt.Image = None,
    classes: opt.Classes = None,
    in_channels: opt.InChannels = None,
    width: opt.Width = None,
    shortcut: opt.ShortcutOption = None,
    stride_in: opt.StrideInOption = None,
    format: opt.FormatOption = None,
    json: opt.Json = False,
    csv: opt.Csv = False,
    output: opt.Out = None,
    force: opt.Force = False,
) -> None:
    """Show what networks are made of, as in Table 1."""
    from resprof.jobs.networks import show as show_network
    from resprof.report.tables.networks import show_rows_table, show_tables

    out = Output.of(format=format, json=json, csv=csv, path=output, force=force)
    results = tuple(
        show_network(
            opt.architecture(
                model,
                image=image,
                classes=classes,
                in_channels=in_channels,
                width=width,
                shortcut=shortcut,
                stride_in=stride_in,
            )
        )
        for model in models
    )
    out.write(
        Answer(command="show", results=results),
        tables=lambda: show_tables(results),
        csv=lambda: [show_rows_table(results)],
    )
    advise(f"resprof flops {results[0].model}")
