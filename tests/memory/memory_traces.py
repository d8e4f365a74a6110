"""Traces that look like a network's steps, made without torch."""

from __future__ import annotations

from dataclasses import replace

from resprof.memory.trace import Action, Event, Role, Trace
from resprof.model.recipe import Phase

KEY = "synthetic"


class TraceWriter:
    """Writes events one by one; the attributes say where the next one happens."""

    def __init__(self) -> None:
        self.phase, self.step = Phase.SETUP, 0
        self.stage = self.module = ""
        self.operator = "aten.empty"
        self.events: list[Event] = []
        self._blocks = 0
        self._made: dict[int, Event] = {}

    def allocate(self, constant: int, per_image: int, role: Role = Role.TEMPORARY) -> int:
        event = Event(
            action=Action.ALLOCATE,
            block=self._number(),
            constant=constant,
            per_image=per_image,
            operator=self.operator,
            module=self.module,
            stage=self.stage,
            phase=self.phase,
            step=self.step,
            role=role,
        )
        self.events.append(event)
        self._made[event.block] = event
        return event.block

    def free(self, *blocks: int) -> None:
        for block in blocks:
            event = self._here(block)
            self.events.append(replace(event, action=Action.FREE))

    def move(self, block: int, role: Role) -> int:
        event = replace(self._here(block), action=Action.MOVE, onto=self._number(), role=role)
        self.events.append(event)
        assert event.onto is not None
        self._made[event.onto] = replace(event, action=Action.ALLOCATE, block=event.onto, onto=None)
        return event.onto

    def trace(self, *, steps: int = 1, batches: tuple[int, ...] = (2, 3)) -> Trace:
        return Trace(
            key=KEY,
            torch="none",
            batches=batches,
            steps=steps,
            events=tuple(self.events),
            largest_elements=(0, 802_816),
        )

    def _number(self) -> int:
        self._blocks += 1
        return self._blocks - 1

    def _here(self, block: int) -> Event:
        made = self._made.pop(block)
        return replace(
            made, operator=self.operator, phase=self.phase, step=self.step, stage=self.stage
        )


class _Network:
    """A chain of convolutions with batch norm and ReLU; four times fewer pixels a stage."""

    def __init__(self, depth: int) -> None:
        self.layers = [
            (f"conv{stage}_x", f"layer{stage}.{index}", 36_864 * 4**place, 802_816 // 2**place)
            for place, stage in enumerate((2, 3, 4, 5))
            for index in range(depth)
        ]


def training(depth: int = 2, steps: int = 2) -> Trace:
    """Forward, backward and SGD with momentum; 29 events a layer in two steps."""
    network = _Network(depth)
    writer = TraceWriter()
    for stage, module, weight, _ in network.layers:
        writer.stage, writer.module = stage, module
        writer.allocate(weight, 0, Role.PARAMETER)
        writer.allocate(1024, 0, Role.BUFFER)
    for step in range(1, steps + 1):
        writer.step = step
        _step(writer, network, first=step == 1)
    return writer.trace(steps=steps)


def _step(writer: TraceWriter, network: _Network, *, first: bool) -> None:
    writer.phase, writer.stage, writer.module = Phase.FORWARD, "", ""
    image = writer.allocate(0, 602_112, Role.INPUT)
    kept = [_forward(writer, *layer) for layer in network.layers]
    writer.stage, writer.module, writer.operator = "fc", "fc", "aten.addmm"
    logits = writer.allocate(0, 4000, Role.ACTIVATION)
    writer.phase, writer.operator = Phase.BACKWARD, "aten.mm"
    flowing = writer.allocate(0, network.layers[-1][3])
    gradients = []
    for layer, saved in zip(reversed(network.layers), reversed(kept), strict=True):
        writer.stage, writer.module, weight, pixels = layer
        writer.operator = "aten.convolution_backward"
        onward = writer.allocate(0, pixels)
        gradients.append(writer.move(writer.allocate(weight, 0), Role.GRADIENT))
        writer.free(flowing, *saved)
        flowing = onward
    writer.free(flowing, logits, image)
    writer.phase, writer.stage, writer.module = Phase.OPTIMIZER, "", ""
    writer.operator = "aten._foreach_add_"
    if first:
        for _, _, weight, _ in network.layers:
            writer.allocate(weight, 0, Role.OPTIMIZER)
    writer.free(*gradients)


def _forward(
    writer: TraceWriter, stage: str, module: str, _weight: int, pixels: int
) -> tuple[int, ...]:
    writer.stage, writer.module, writer.operator = stage, module, "aten.convolution"
    convolved = writer.allocate(0, pixels, Role.ACTIVATION)
    writer.operator = "aten.native_batch_norm"
    normal = writer.allocate(0, pixels)
    mean = writer.allocate(1024, 0, Role.ACTIVATION)
    writer.operator = "aten.relu"
    positive = writer.allocate(0, pixels, Role.ACTIVATION)
    writer.free(normal)
    return convolved, mean, positive


def inference(depth: int = 2) -> Trace:
    """A forward pass in which each map lives until the next one is there."""
    network = _Network(depth)
    writer = TraceWriter()
    for stage, module, weight, _ in network.layers:
        writer.stage, writer.module = stage, module
        writer.allocate(weight, 0, Role.PARAMETER)
    writer.phase, writer.step, writer.stage, writer.module = Phase.FORWARD, 1, "", ""
    last = writer.allocate(0, 602_112, Role.INPUT)
    writer.operator = "aten.convolution"
    for stage, module, _, pixels in network.layers:
        writer.stage, writer.module = stage, module
        made = writer.allocate(0, pixels)
        writer.free(last)
        last = made
    writer.free(last)
    return writer.trace()
