"""``python -m resprof`` is the command ``resprof``."""

from resprof.cli.main import run

run()
