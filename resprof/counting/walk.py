"""The formula walk: an architecture's blocks in order of execution, each with its layers."""

from __future__ import annotations

from resprof.counting.cost import BlockCost, NetworkCost, add_up
from resprof.model.architecture import Architecture
from resprof.model.families import family_of


def count(architecture: Architecture) -> NetworkCost:
    """Counts a network for one image of the architecture's size."""
    blocks: tuple[BlockCost, ...] = tuple(family_of(architecture).walk(architecture))
    return NetworkCost(
        architecture=architecture,
        blocks=blocks,
        total=add_up(block.cost for block in blocks),
    )
