"""A headless Chromium, spoken to through its debugging pipe: what it loads, says and shows."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--remote-debugging-pipe",
)
_TO_BROWSER, _FROM_BROWSER = 3, 4
"""The file descriptors that Chromium reads and writes with ``--remote-debugging-pipe``."""
_PATIENCE_S = 30.0


class Page:
    """An open page. ``requests`` are the addresses it asked for, ``errors`` what it complained."""

    def __init__(self, send: int, receive: int) -> None:
        self._send, self._receive = send, receive
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.requests: list[str] = []
        self.errors: list[str] = []

    def open(self, file: Path) -> None:
        """Loads a file and waits until it has loaded."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{domain}.enable")
        self.ask("Page.navigate", url=file.as_uri())
        deadline = time.monotonic() + _PATIENCE_S
        while self.run("document.readyState") != "complete":
            assert time.monotonic() < deadline, "the page does not load"

    def run(self, script: str) -> Any:
        """What an expression comes to in the page."""
        found = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def ask(self, method: str, **options: Any) -> dict[str, Any]:
        """The browser's answer; events on the way are taken note of."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": options}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._receive], [], [], _PATIENCE_S)
            assert ready, "the browser is silent"
            part = os.read(self._receive, 2**16)
            assert part, "the browser has gone"
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(line)
        return found

    def _note(self, event: dict[str, Any]) -> None:
        details = event.get("params", {})
        match event.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(details["request"]["url"])
            case "Runtime.exceptionThrown":
                self.errors.append(details["exceptionDetails"]["text"])
            case "Log.entryAdded":
                self.errors.append(details["entry"]["text"])
            case "Runtime.consoleAPICalled":
                self.errors.append(str(details["args"]))


@contextmanager
def browser(profile: Path, *, width: int = 1280, dark: bool = False) -> Iterator[Page]:
    """A browser with a profile of its own, gone afterwards."""
    assert CHROMIUM is not None
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()

    def pipes() -> None:
        # Moved out of the way first: one of them may be 3 or 4 already.
        incoming, outgoing = os.dup(to_read), os.dup(from_write)
        os.dup2(incoming, _TO_BROWSER)
        os.dup2(outgoing, _FROM_BROWSER)

    process = subprocess.Popen(
        [
            CHROMIUM,
            *_FLAGS,
            *(["--force-dark-mode"] if dark else []),
            f"--window-size={width},1000",
            f"--user-data-dir={profile}",
        ],
        preexec_fn=pipes,  # noqa: PLW1509 # no threads run here
        close_fds=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Page(to_write, from_read)
    finally:
        process.kill()
        process.wait()
        for end in (to_read, to_write, from_read, from_write):
            os.close(end)
