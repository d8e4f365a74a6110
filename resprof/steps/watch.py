"""Who is told how a run goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from resprof.records.trace import Phase

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class Watch:
    """Does nothing when it is told something; a recorder does."""

    def inside(self, path: str, forward: Callable[..., Any]) -> Callable[..., Any]:  # noqa: ARG002
        """``forward`` of the module at ``path``, told of."""
        return forward

    def enter(self, phase: Phase, step: int) -> None:
        """A phase of a step begins."""

    def standing(self, model: nn.Module, given: tuple[Tensor, ...]) -> None:
        """Setup is done: the network and what it is given exist."""

    def forward_done(self, output: Tensor) -> None:
        """Forward is done; the caller holds ``output``."""

    def backward_done(self, model: nn.Module) -> None:
        """The gradients exist."""

    def updating(self, *, begins: bool) -> None:
        """The optimiser's own step begins or has ended."""

    def updated(self, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler) -> None:
        """The update is done, the state exists."""
