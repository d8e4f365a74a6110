"""`resprof doctor`: what this machine is, and what about it would spoil a measurement."""

from __future__ import annotations

from resprof.cli.options import grouped
from resprof.cli.output import OutputOptions, advise


@grouped
def doctor(
    *,
    output: OutputOptions,
) -> None:
    """Check this machine for anything that makes benchmarks noisy."""
    from resprof.answers.doctor.findings import Severity, examine
    from resprof.answers.doctor.tables import doctor_answer

    out = output.checked()
    environment, result = examine()
    out.write(doctor_answer(environment, result))
    mend = next((row.fix for row in result.rows if row.fix), None)
    if mend is not None:
        advise(f"{mend}   (then resprof doctor again)")
    elif any(row.severity is Severity.BLOCKS for row in result.rows):
        advise("fix what blocks, then run resprof doctor again")
    else:
        advise(f"resprof bench resnet50 --device {'cuda' if environment.gpu else 'cpu'}")
