"""What is traced, as this room sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network to trace.

    ``build`` makes it with fresh weights; ``stages`` are each stage's name and module paths;
    ``blocks`` are what checkpointing computes again as a whole, each a run of modules that feed
    each other, in order of execution. ``image`` is (C, H, W).
    """

    build: Callable[[], nn.Module]
    stages: tuple[tuple[str, tuple[str, ...]], ...]
    blocks: tuple[tuple[str, ...], ...]
    image: tuple[int, int, int]
    classes: int
