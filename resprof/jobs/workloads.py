"""Between an architecture with a recipe and the workload that names both."""

from __future__ import annotations

from resprof.catalog.networks import resolve
from resprof.records.architecture import Architecture
from resprof.records.recipe import Recipe, Workload


def workload_of(architecture: Architecture, recipe: Recipe) -> Workload:
    """The architecture and the recipe by name, as a child process is told."""
    return Workload(
        model=architecture.id,
        classes=architecture.classes,
        in_channels=architecture.in_channels,
        width=architecture.width,
        recipe=recipe,
    )


def architecture_of(workload: Workload) -> Architecture:
    """The network of a workload, at its image size."""
    return resolve(
        workload.model,
        image=workload.recipe.image,
        classes=workload.classes,
        in_channels=workload.in_channels,
        width=workload.width,
    )
