"""Ctrl-C and SIGTERM."""

from __future__ import annotations


class Stopped(BaseException):
    """Not a KeyboardInterrupt, which the option parser would swallow.

    ``hint`` says what is left; a command that keeps what it has done says how to go on.
    """

    def __init__(self, word: str, exit_code: int) -> None:
        super().__init__(word)
        self.word = word
        self.exit_code = exit_code
        self.hint = "nothing is half-written"
