"""The command ``resprof``, also as ``python -m resprof``."""

import os
import sys
from _signal import (  # type: ignore[import-not-found] # built in: signal loads others first
    SIGINT,
    signal,
)


def _stop(*_: object) -> None:
    """Ends at once: what is being loaded would turn an exception into another, or swallow it."""
    try:
        os.write(2, b"error: interrupted\nhint: nothing is half-written\n")
    finally:
        os._exit(130)


signal(SIGINT, _stop)


def run() -> None:
    """Loads the command line, which listens to signals itself from then on, and runs it."""
    from resprof.cli import main

    main.run()


if __name__ == "__main__":
    # With -m Python puts the current folder first, whose files would be taken for libraries.
    try:
        first_is_folder = sys.path[0] == os.getcwd()  # noqa: PTH109 # loads nothing
    except OSError:  # it has been removed
        first_is_folder = False
    if first_is_folder and not sys.flags.safe_path:
        del sys.path[0]
    run()
