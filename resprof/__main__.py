"""The command ``resprof``, also as ``python -m resprof``."""

import os
import sys
from contextlib import suppress


def run() -> None:
    """Loads the command line and runs it; an interrupt meanwhile ends in two lines as well."""
    try:
        from resprof.cli import main
    except KeyboardInterrupt:
        with suppress(OSError):
            os.write(2, b"error: interrupted\nhint: nothing is half-written\n")
        sys.exit(130)
    main.run()


if __name__ == "__main__":
    # With -m Python puts the current folder first, whose files would be taken for libraries.
    if not sys.flags.safe_path and sys.path[0] == os.getcwd():  # noqa: PTH109 # loads nothing
        del sys.path[0]
    run()
