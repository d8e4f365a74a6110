"""A cache entry that resprof could not have written is as good as absent, and is replaced."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from resprof.answers.memory.traces import trace_workload
from resprof.api import architecture
from resprof.memory.cache import TraceCache, decode
from resprof.model.recipe import train

_NETWORK = architecture("cifar-resnet8", image=16)
_RECIPE = train(batch=4, image=(16, 16))


@pytest.fixture
def cache(tmp_path: Path) -> TraceCache:
    made = TraceCache(directory=tmp_path)
    trace_workload(_NETWORK, _RECIPE, cache=made)
    return made


def _changed(document: Any, path: str, value: object) -> Any:
    *way, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    place = document
    for part in way:
        place = place[part]
    place[last] = value
    return document


@pytest.mark.parametrize(
    "path",
    [
        *("batches", "batches/0", "steps", "largest_elements/0", "key", "torch"),
        *("names", "names/0", "amounts/0", "amounts/0/0", "amounts/0/1"),
        *("columns", "columns/step", "columns/step/0", "columns/block/0", "columns/onto/0"),
        *("columns/operator/0", "columns/role/3", "columns/phase/0"),
    ],
)
@pytest.mark.parametrize("value", [None, -1, 10**400, 1e300, float("nan"), "x", [], [[]], {}])
def test_a_changed_entry(path: str, value: object, cache: TraceCache) -> None:
    (file,) = cache.directory.iterdir()
    content = file.read_bytes()
    document = _changed(json.loads(zlib.decompress(content)), path, value)
    file.write_bytes(zlib.compress(json.dumps(document).encode()))
    key = decode(content).key
    found = cache.load(key, 4)
    if found is not None:  # onto means nothing but in a move, and torch's version is any text
        assert path in {"columns/onto/0", "torch"}


@pytest.mark.parametrize("path", ["steps", "columns/step/0"])
def test_more_steps_than_anybody_traces(path: str, cache: TraceCache) -> None:
    (file,) = cache.directory.iterdir()
    document = _changed(json.loads(zlib.decompress(file.read_bytes())), path, 10**12)
    file.write_bytes(zlib.compress(json.dumps(document).encode()))
    assert cache.load(document["key"], 4) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no zlib",
        zlib.compress(b"[" * 200_000),
        zlib.compress(b" " * 2**28),
        zlib.compress(b"{}"),
        zlib.compress(b'{"format": ' + b"9" * 5000 + b"}"),
    ],
)
def test_what_is_no_entry_is_replaced(content: bytes, cache: TraceCache) -> None:
    (file,) = cache.directory.iterdir()
    good = file.read_bytes()
    file.write_bytes(content)
    trace_workload(_NETWORK, _RECIPE, cache=cache)
    assert file.read_bytes() == good
