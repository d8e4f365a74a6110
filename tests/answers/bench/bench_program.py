"""The program, with stand-ins for the process that measures and for the look at the machine.

``python -m tests.answers.bench.bench_program SCRIPT ARGUMENT...`` runs ``resprof ARGUMENT...``.
"""

from __future__ import annotations

import sys
from functools import partial

from resprof.answers.bench import launches
from resprof.cli.main import run
from resprof.measure.launch import run_child
from tests.answers.bench.stand_in import command, look, quiet

if __name__ == "__main__":
    vars(launches).update(
        run_child=partial(run_child, command=command(sys.argv[1])),
        probe_environment=look,
        host_state=quiet,
    )
    sys.argv = ["resprof", *sys.argv[2:]]
    run()
