"""A program for the simulated device: torch's caching allocator and its model on one stream.

Run: python -m tests.simulated_gpu.random_streams default|expandable REQUESTS SEED...

Sends random requests to both and compares what they hold after each. Prints a JSON line for each
seed.
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress

import torch

from resprof.memory.allocator import CachingAllocator, DeviceFull
from resprof.memory.rules import AllocatorKind

_SIZES = (
    (1, 4096),
    (4096, 2**20),
    (2**20, 10 * 2**20),
    (10 * 2**20, 64 * 2**20),
    (64 * 2**20, 2**28),
)
"""From and to, in bytes; each range goes another way through the allocator."""
_MOST_LIVE = 60


def compare(
    kind: AllocatorKind, requests: int, seed: int, capacity_bytes: int
) -> dict[str, object]:
    """How the two went on: ``differs_at`` is the number of the first request after which they do.

    ``requests`` are those that both answered, ``refused`` those that neither had room for.
    """
    chance = random.Random(seed)
    model = CachingAllocator(kind, capacity_bytes=capacity_bytes)
    # Nothing else may hold a tensor: the request that frees it would free nothing.
    tensors: list[torch.Tensor] = []
    addresses: list[int] = []
    seen = Counter({"requests": 0, "refused": 0})
    before = torch.cuda.memory_stats()["num_alloc_retries"]
    for number in range(requests):
        if tensors and chance.random() < len(tensors) / _MOST_LIVE:
            which = chance.randrange(len(tensors))
            del tensors[which]
            model.free(addresses.pop(which))
        else:
            size = chance.randint(*chance.choice(_SIZES))
            real, ours = _takes(tensors, size), _models(model, addresses, size)
            if real is not ours:
                return {**seen, "differs_at": number, "real": real, "model": ours}
            seen["requests" if real else "refused"] += 1
        stats = torch.cuda.memory_stats()
        levels = _levels(stats)
        modelled = (model.requested, model.allocated, model.reserved)
        if levels != modelled or stats["num_alloc_retries"] - before != model.retries:
            return {**seen, "differs_at": number, "real": levels, "model": modelled}
    return {**seen, "differs_at": None, "retries": model.retries}


def _takes(tensors: list[torch.Tensor], size: int) -> bool:
    with suppress(torch.OutOfMemoryError):
        tensors.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
        return True
    return False


def _models(model: CachingAllocator, addresses: list[int], size: int) -> bool:
    with suppress(DeviceFull):
        addresses.append(model.allocate(size))
        return True
    return False


def _levels(stats: Mapping[str, int]) -> tuple[int, int, int]:
    names = ("requested_bytes", "allocated_bytes", "reserved_bytes")
    requested, allocated, reserved = (stats[f"{name}.all.current"] for name in names)
    return requested, allocated, reserved


def main(kind: str, requests: str, *seeds: str) -> None:
    """Compares for each seed, from an empty allocator on."""
    torch.cuda.init()  # type: ignore[no-untyped-call]
    for seed in seeds:
        torch.cuda.empty_cache()
        free, _ = torch.cuda.mem_get_info()
        found = compare(AllocatorKind(kind), int(requests), int(seed), free)
        print(json.dumps({"seed": int(seed), **found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
