"""Numbers as large as options permit have an answer; larger ones are refused with the limit."""

from __future__ import annotations

import json

import pytest

from resprof.api import budget, predict_memory
from resprof.errors import UsageError
from resprof.memory.allocator import CachingAllocator
from resprof.memory.rules import AllocatorKind
from resprof.units import parse_size
from tests.hostile.command import resprof


@pytest.mark.parametrize("text", ["1e8TiB", "8388608TiB", "1e300TiB", "9223372036854775808B"])
def test_a_size_that_no_address_reaches_is_refused_with_the_limit(text: str) -> None:
    with pytest.raises(UsageError, match="out of range") as refused:
        parse_size(text, "memory")
    assert "8388608 TiB" in refused.value.hint
    resprof("budget", "resnet18", "--memory", text).assert_two_lines(2, "out of range")


def test_the_largest_memory_has_an_answer() -> None:
    result = budget("resnet18", memory="8388607TiB", image=32)
    assert all(row.max_batch > 10**6 for row in result.rows)


@pytest.mark.parametrize("expandable", [False, True])
def test_the_largest_workload_has_an_answer(expandable: bool) -> None:
    small, large = (
        predict_memory("vgg16", image=64, batch=batch, expandable=expandable).peak.requested_bytes
        for batch in (10**8, 10**9)
    )
    assert 9.9 < large / small < 10


@pytest.mark.parametrize("kind", AllocatorKind)
def test_addresses_do_not_run_into_sizes(kind: AllocatorKind) -> None:
    allocator = CachingAllocator(kind)
    blocks = [allocator.allocate(2**90) for _ in range(64)]
    for block in blocks[::2] + blocks[1::2]:
        allocator.free(block)
    assert allocator.allocated == 0
    assert allocator.peak.allocated_bytes == 64 * 2**90
    assert sum(size for _, size in allocator.free_blocks()) == allocator.reserved


def test_a_batch_of_a_billion_is_predicted_on_the_command_line() -> None:
    arguments = ("--batch", 10**9, "--image", 32, "--expandable", "--json")
    done = resprof("memory", "resnet18", *arguments)
    assert done.code == 0, done.said
    assert json.loads(done.out)["results"][0]["recipe"]["batch"] == 10**9
