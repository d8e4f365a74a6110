"""What is kept is found again, and nothing that lies in a cache makes a run fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import zlib
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resprof.answers.memory import traces as job
from resprof.errors import UsageError
from resprof.memory.cache import TraceCache, decode, default_directory, encode
from resprof.memory.trace import Action, Event, Role, Trace
from resprof.model.networks import resolve
from resprof.model.recipe import (
    Checkpoint,
    Engine,
    MemoryFormat,
    Mode,
    Optimizer,
    OptimizerImpl,
    Phase,
    Precision,
    Recipe,
)

RECIPE = Recipe(
    mode=Mode.TRAIN,
    batch=4,
    image=(32, 32),
    optimizer=Optimizer.SGD,
    optimizer_impl=OptimizerImpl.FOREACH,
    accumulate=1,
    checkpoint=Checkpoint.NONE,
)


def _trace(batches: tuple[int, ...] = (2, 3), key: str = "key", blocks: int = 3) -> Trace:
    return Trace(
        key=key,
        torch="2.13.0",
        batches=batches,
        steps=2,
        events=tuple(
            Event(
                action=action,
                block=block,
                onto=blocks if action is Action.MOVE else None,
                constant=7 * block,
                per_image=block,
                operator="aten.empty",
                module=f"layer{block}",
                stage="conv2_x",
                phase=Phase.FORWARD,
                step=1,
                role=Role.TEMPORARY,
            )
            for block in range(blocks)
            for action in (Action.ALLOCATE, Action.FREE)
        ),
        largest_elements=(5, 11),
    )


_EVENTS = st.builds(
    Event,
    action=st.sampled_from(Action),
    block=st.just(0),
    onto=st.none() | st.integers(min_value=0),
    constant=st.just(2**40),
    per_image=st.just(3),
    operator=st.text(),
    module=st.text(),
    stage=st.text(),
    phase=st.sampled_from(Phase),
    step=st.integers(0, 2),
    role=st.sampled_from(Role),
)


@given(st.lists(_EVENTS))
def test_a_trace_survives_its_file(events: list[Event]) -> None:
    found = replace(_trace(), events=tuple(events))
    assert decode(encode(found)) == found


def test_traces_are_found_by_key_and_batch(tmp_path: Path) -> None:
    cache = TraceCache(directory=tmp_path / "not" / "there")
    assert cache.load("key", 8) is None
    for_all, for_one = _trace(), _trace(batches=(1,))
    cache.store(for_all)
    cache.store(for_one)
    assert cache.load("key", 8) == cache.load("key", 2) == for_all
    assert cache.load("key", 1) == for_one
    assert cache.load("other", 8) is None
    only = _trace(batches=(9,), key="differs")
    cache.store(only)
    assert cache.load("differs", 9) == only
    assert cache.load("differs", 8) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not zlib",
        zlib.compress(b"not json"),
        zlib.compress(b"[]"),
        zlib.compress(b"null"),
        zlib.compress(b'{"format": 1}'),
        zlib.compress(json.dumps({"format": 10**6}).encode()),
        zlib.compress(b"\xff\xfe"),
        zlib.compress(b"[" * 100_000),
        encode(_trace())[:-20],
        zlib.compress(b" " * 2**29),
        encode(_trace(key="of another network")),
        encode(_trace(batches=())),
    ],
)
def test_a_file_that_is_no_trace_is_ignored_and_written_anew(
    tmp_path: Path, content: bytes
) -> None:
    cache = TraceCache(directory=tmp_path)
    cache.store(_trace())
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    assert cache.load("key", 8) is None
    cache.store(_trace())
    assert cache.load("key", 8) == _trace()
    assert list(tmp_path.iterdir()) == [file]


def test_a_directory_that_cannot_be_written_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = TraceCache(directory=tmp_path / "file" / "below")
    cache.store(_trace())
    assert cache.load("key", 8) is None


def test_a_directory_in_the_place_of_a_file_is_ignored(tmp_path: Path) -> None:
    cache = TraceCache(directory=tmp_path)
    cache.store(_trace())
    (file,) = tmp_path.iterdir()
    file.unlink()
    file.mkdir()
    cache.store(_trace())
    assert cache.load("key", 8) is None
    assert list(tmp_path.iterdir()) == [file]


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    cache = TraceCache(directory=tmp_path)
    cache.store(_trace())
    (file,) = tmp_path.iterdir()
    file.unlink()
    os.mkfifo(file)
    assert cache.load("key", 8) is None


def test_readers_see_whole_files_while_others_write(tmp_path: Path) -> None:
    cache = TraceCache(directory=tmp_path)
    whole = _trace(blocks=300)
    cache.store(whole)
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            cache.store(whole)

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    try:
        assert all(cache.load("key", 8) == whole for _ in range(50))
    finally:
        done.set()
        for writer in writers:
            writer.join()
    assert len(list(tmp_path.iterdir())) == 1


def test_the_directory_follows_the_desktop_specification(tmp_path: Path) -> None:
    assert default_directory({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "resprof" / "traces"
    home = Path("~/.cache/resprof/traces").expanduser()
    assert default_directory({}) == default_directory({"XDG_CACHE_HOME": "relative"}) == home


_OTHER = [
    {"mode": Mode.INFER, "optimizer": None, "optimizer_impl": None, "accumulate": None},
    {"precision": Precision.BF16},
    {"precision": Precision.AMP_BF16},
    {"memory_format": MemoryFormat.CHANNELS_LAST},
    {"optimizer": Optimizer.ADAM},
    {"optimizer_impl": OptimizerImpl.FUSED},
    {"accumulate": 2},
    {"checkpoint": Checkpoint.BLOCK},
]


def test_the_key_is_all_that_decides_and_no_more() -> None:
    network = resolve("cifar-resnet20")
    key = job.trace_key(network, RECIPE)
    keys = {job.trace_key(network, replace(RECIPE, **change)) for change in _OTHER}  # type: ignore[arg-type]
    keys |= {
        job.trace_key(other, RECIPE)
        for other in (
            resolve("cifar-resnet20-B"),
            resolve("cifar-resnet20", classes=11),
            resolve("cifar-resnet20", image=(32, 33)),
            resolve("cifar-resnet20", in_channels=1),
            resolve("cifar-resnet20", width=2.0),
        )
    }
    assert len(keys | {key}) == len(_OTHER) + 5 + 1
    same = replace(RECIPE, batch=77, cudnn_benchmark=True, precision=Precision.TF32)
    assert job.trace_key(network, same) == key


def test_another_torch_has_other_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    network = resolve("cifar-resnet20")
    key = job.trace_key(network, RECIPE)
    monkeypatch.setattr(metadata, "version", lambda name: f"{name} of tomorrow")
    assert job.trace_key(network, RECIPE) != key


def test_a_graph_is_not_predicted() -> None:
    with pytest.raises(UsageError, match="--engine graph"):
        job.trace_workload(resolve("resnet18"), replace(RECIPE, engine=Engine.GRAPH))


_FROM_THE_CACHE = """
import sys
from importlib import metadata
from pathlib import Path
from resprof.model.networks import resolve
from resprof.answers.memory.traces import trace_workload
from resprof.model.recipe import Mode, Recipe
from resprof.memory.cache import TraceCache
recipe = Recipe(mode=Mode.INFER, batch=int(sys.argv[2]), image=(32, 32))
cache = TraceCache(directory=Path(sys.argv[1]))
found = trace_workload(resolve("cifar-resnet20"), recipe, cache=cache)
print(len(found.events), "torch" in sys.modules)
"""


def test_the_second_answer_loads_no_torch(tmp_path: Path) -> None:
    def ask(batch: int) -> list[str]:
        command = [sys.executable, "-c", _FROM_THE_CACHE, str(tmp_path), str(batch)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return done.stdout.split()

    events, loaded = ask(4)
    assert int(events) > 0
    assert loaded == "True"
    assert ask(512) == [events, "False"]


def test_a_user_without_a_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", no_home)
    cache = TraceCache(directory=default_directory({}))
    trace = _trace()
    cache.store(trace)
    assert cache.load(trace.key, 4) is None
