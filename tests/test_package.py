"""The package itself: what it offers, and that it loads nothing before it is asked."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import resprof
from resprof import api


def test_it_offers_what_the_api_has() -> None:
    offered = {name: getattr(resprof, name) for name in resprof.__all__ if name != "__version__"}
    assert offered == {name: getattr(api, name) for name in offered}
    assert set(resprof.__all__) <= set(dir(resprof))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = resprof.nonsense  # type: ignore[attr-defined]


def test_importing_it_loads_nothing_else() -> None:
    program = "import sys, resprof; print([m for m in sys.modules if m.startswith('resprof.')])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_what_it_offers_is_no_room_of_the_same_name() -> None:
    """Loading the room would put the room where the function was."""
    rooms = {room.name for room in pkgutil.iter_modules(resprof.__path__)}
    assert not rooms & set(resprof.__all__)
