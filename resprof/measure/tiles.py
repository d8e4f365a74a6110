"""Divides a call into tiles: phases, or the stages of each phase, one mark at each boundary.

In forward a stage begins where its first module is entered. In backward it has ended when the
gradient of its input is there: autograd then calls a hook on that tensor. Marks issue nothing and
wait for nothing; the tiles of a call add up to the call.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from resprof.measure.clock import Mark
from resprof.measure.run import Tile, Tiling
from resprof.measure.subject import Work
from resprof.model.architecture import LOSS
from resprof.model.recipe import Phase
from resprof.networks.step import Watch

if TYPE_CHECKING:
    from torch import Tensor, nn


class Tiled:
    """The work's call, instrumented. ``tiles`` are known once it has been called.

    The instruments are in the network only within ``installed``, so that clean calls between
    instrumented ones know nothing of them.
    """

    def __init__(self, work: Work, tiling: Tiling) -> None:
        self._work = work
        self._watch = _Marking(work, by_stage=tiling is Tiling.STAGES)

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The tiles of the last call, in their order; a phase that runs twice is there twice."""
        return tuple(self._watch.tiles)

    def __call__(self, mark: Mark) -> None:
        """Runs the call; ``mark`` is called at the end of each tile."""
        self._watch.begin(mark)
        self._work.call()
        self._watch.end()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Puts the instruments in, and takes them out again."""
        steps = self._work.steps
        before = steps.watch
        handles = self._watch.hooks()
        steps.watch = self._watch
        try:
            yield
        finally:
            steps.watch = before
            for handle in handles:
                handle.remove()


class _Marking(Watch):
    """Follows a step and ends a tile wherever the next one begins."""

    def __init__(self, work: Work, *, by_stage: bool) -> None:
        self._work = work
        self._training = work.steps.optimizer is not None
        self._stages = tuple(work.stages) if by_stage else ()
        self._mark: Mark = _nothing
        self._open: Tile | None = None
        self._entered = 0
        self.tiles: list[Tile] = []

    def begin(self, mark: Mark) -> None:
        """Opens the first tile of a call."""
        self._mark = mark
        self.tiles = []
        self._entered = 0
        # A training step opens by letting the gradients go, which is the optimiser's business.
        self._open = self._first_of(Phase.OPTIMIZER if self._training else Phase.FORWARD)

    def end(self) -> None:
        """Ends the last one."""
        self._next(None)
        self._mark = _nothing

    def enter(self, phase: Phase, step: int) -> None:  # noqa: ARG002
        """A phase begins; that a step begins, which comes first, is known."""
        self._entered += 1
        if self._entered > 1:
            self._next(self._first_of(phase))

    def hooks(self) -> list[Any]:
        """Puts hooks at the boundaries of stages; the caller removes them."""
        handles: list[Any] = [
            self._work.stages[stage][0].register_forward_pre_hook(self._entering(before, stage))
            for before, stage in pairwise(self._stages)
        ]
        if self._stages and self._training:
            handles.append(self._work.steps.model.register_forward_hook(self._left))
        return handles

    def _first_of(self, phase: Phase) -> Tile:
        if not self._stages or phase is Phase.OPTIMIZER:
            return Tile(phase=phase)
        return Tile(phase=phase, stage=LOSS if phase is Phase.BACKWARD else self._stages[0])

    def _entering(self, before: str, stage: str) -> Any:
        """The hook for a stage's first module; ``before`` made its input."""

        def enter(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            self._next(Tile(phase=Phase.FORWARD, stage=stage))
            self._when_backward_reaches(inputs[0], before)

        return enter

    def _left(self, _module: nn.Module, _inputs: object, logits: Tensor) -> None:
        self._next(Tile(phase=Phase.FORWARD, stage=LOSS))
        self._when_backward_reaches(logits, self._stages[-1])

    def _when_backward_reaches(self, output: Tensor, stage: str) -> None:
        if output.requires_grad:
            begins = Tile(phase=Phase.BACKWARD, stage=stage)
            output.register_hook(lambda _: self._next(begins))  # type: ignore[no-untyped-call]

    def _next(self, tile: Tile | None) -> None:
        if self._open is not None:
            self._mark()
            self.tiles.append(self._open)
        self._open = tile


def _nothing() -> None:
    """No call is under way."""
