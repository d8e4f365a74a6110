"""What of an answer belongs to the machine or the moment and not to resprof, made the same.

Only a command that is marked ``here`` says anything of the machine that it runs on, and only one
that runs torch which build that is (a run file names the build it was measured with, which stays).
``--version`` changes with every release.
"""

from __future__ import annotations

import re

from tests.frozen.commands import Command

_VERSION = re.compile(r"^resprof \d+\.\d+\.\d+\S*$", re.MULTILINE)
_BUILD = re.compile(r"(?<=\d)\+(?:cpu|xpu|cu\d+|rocm[\d.]+)(?P<padded>(?=  ))?")
_HERE = (
    # The titles of what is measured or judged here: "..., on PROCESSOR", then a line of the
    # environment that begins with the date.
    (re.compile(r"(?m)^(Predicted against measured live memory, on ).+$"), r"\1PROCESSOR"),
    (re.compile(r"(?m)^\d{4}-\d\d-\d\dT[\d:]+\+00:00; Python .+$"), "ENVIRONMENT"),
    # The same in JSON: of an environment the values.
    (
        re.compile(
            r'(?m)^( *"(?:date|resprof|python|architecture|cpu_model|cores|memory_bytes|system'
            r'|kernel|load)": )[^\n]*?(,?)$'
        ),
        r'\1"HERE"\2',
    ),
)


def without_machine(text: str, command: Command) -> str:
    """The answer of that command with what belongs to the machine replaced by words for it."""
    text = _VERSION.sub("resprof VERSION", text)
    if command.traced:
        text = _BUILD.sub(_blank, text)
    for pattern, word in _HERE if command.here else ():
        text = pattern.sub(word, text)
    return text


def _blank(build: re.Match[str]) -> str:
    """Nothing; within a table so many spaces that the columns stay."""
    return "" if build["padded"] is None else " " * len(build[0])
