"""What the build says where it cannot be done; nothing here reaches an index."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.simulated_gpu.build import ROOT


def errors(cache: Path, variables: Mapping[str, str]) -> list[str]:
    """The two lines after which a build in an empty cache ends."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulated_gpu.build"],
        env={**os.environ, "RESPROF_SIMULATED_CACHE": str(cache), **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert not done.stdout
    said = [line for line in done.stderr.splitlines() if line.startswith(("error: ", "hint: "))]
    assert [line.partition(":")[0] for line in said] == ["error", "hint"]
    return said


def test_without_a_compiler(tmp_path: Path) -> None:
    error, hint = errors(tmp_path / "cache", {"PATH": str(tmp_path)})
    assert "no g++" in error
    assert "apt-get install g++" in hint


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_where_the_cache_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    error, _ = errors(tmp_path / "cache", {})
    assert "Permission denied" in error


def test_where_a_file_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("mine")
    error, hint = errors(tmp_path / "cache", {})
    assert "cache" in error
    assert "written to" in hint
    assert (tmp_path / "cache").read_text() == "mine"


def test_without_a_package_index(tmp_path: Path) -> None:
    error, hint = errors(tmp_path / "cache", {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)})
    assert "torch==2.11.0" in error
    assert "package index" in hint
    (folder,) = (tmp_path / "cache").iterdir()
    assert not (folder / "environment").exists()
