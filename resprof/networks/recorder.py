"""Watches storages come and go under torch's operators, on tensors without data.

Layouts follow cuDNN's rule (aten/src/ATen/native/ConvUtils.h), which the CPU's convolutions share;
the fake ones follow whichever CPU kernel the batch and the number of threads would select, and at
one image that is another one.

A dispatch mode sees every operator that autograd, the modules and the optimiser run. A storage
appears with the operator that returns it and goes when nobody holds it: a weak reference tells.
What an operator takes for itself and gives back is not seen.

Under a mode two things are otherwise than without. Autograd adds the gradients of a tensor that is
used twice into a new tensor, because it writes in place only where no mode looks on
(torch/csrc/autograd/input_buffer.cpp): if the first summand goes at once, its block is the sum's,
which is a move. And a scalar that is read has no value: it gets one that lets the run go on.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn
from torch._prims_common import suggest_memory_format
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from resprof.errors import EnvironmentMissing, UsageError, printable
from resprof.memory.trace import Ledger, RawTrace, Role
from resprof.model.environment import DeviceKind
from resprof.model.recipe import OptimizerImpl, Phase, Recipe
from resprof.networks.step import Network, Watch, empty_steps, model_without_tensors, run_steps


class NotTraceable(EnvironmentMissing):
    """An operator does not run on tensors without data."""

    def __init__(self, operator: str, error: Exception) -> None:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        super().__init__(
            f"cannot trace {operator}: {printable(reason, 100)}",
            hint="memory is predicted for networks that torch can run on tensors without data",
        )


class UnknownTorch(EnvironmentMissing):
    """Torch does not do what a prediction takes for granted."""

    def __init__(self, version: str, what: str) -> None:
        super().__init__(
            f"torch {version} cannot be predicted: {what}",
            hint="predict with a torch from 2.11 to 2.13, or measure with: resprof bench",
        )


aten = torch.ops.aten


@dataclass(frozen=True, slots=True)
class Call:
    """An operator about to run; ``kernels`` says whose results are wanted."""

    kernels: DeviceKind
    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def fake(self) -> Any:
        """What the fake operator returns."""
        return self.func(*self.args, **self.kwargs)


def run(call: Call) -> Any:
    """What the real operator returns, as far as memory goes."""
    kernel = _KERNELS.get(call.func)
    if kernel is not None:
        return kernel(call)
    return None if _returns_nothing(call.func) else call.fake()


def _returns_nothing(func: Any) -> bool:
    """``_foreach_add_``, ``_fused_adam_``: they write into their arguments, no storage is made.

    Not all of them have an implementation for tensors without data.
    """
    return not func._schema.returns and func._schema.name.endswith("_")


def _write_in_place(call: Call) -> Tensor:
    written: Tensor = call.args[0]
    return written


def _make_like_each(call: Call) -> list[Tensor]:
    """The optimisers give lists of one type; the fake operator takes ten times as long."""
    return [torch.empty_like(tensor) for tensor in call.args[0]]


def _convolution(call: Call) -> Tensor:
    x, weight = call.args[:2]
    return _laid_out(call.fake(), x, weight)


def _convolution_backward(call: Call) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    gradient, x, weight = call.args[:3]
    of_input, of_weight, of_bias = call.fake()
    if of_input is not None:
        of_input = _laid_out(of_input, gradient, weight)
    if of_weight is not None:
        of_weight = _laid_out(of_weight, x, gradient)
    return of_input, of_weight, of_bias


def _laid_out(result: Tensor, *operands: Tensor) -> Tensor:
    """Channels last where one of the two operands is."""
    formats = {suggest_memory_format(operand) for operand in operands}
    wanted = torch.channels_last if torch.channels_last in formats else torch.contiguous_format
    return result.contiguous(memory_format=wanted)


def _batch_norm(call: Call) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and inverse deviation are saved in fp32 on CUDA, on the CPU in the weights' type."""
    result, mean, deviation = call.fake()
    weight = call.args[1]
    dtype = torch.float32 if call.kernels is DeviceKind.CUDA else weight.dtype
    if mean.dtype is not dtype:
        mean, deviation = (torch.empty_like(mean, dtype=dtype) for _ in range(2))
    return result, mean, deviation


_KERNELS: dict[Any, Callable[[Call], Any]] = {
    aten.convolution.default: _convolution,
    aten.convolution_backward.default: _convolution_backward,
    aten.native_batch_norm.default: _batch_norm,
    aten._amp_update_scale_.default: _write_in_place,
    aten._foreach_add.List: _make_like_each,
    aten._foreach_sqrt.default: _make_like_each,
    # These are right on fake tensors and only slow.
    aten.add_.Tensor: _write_in_place,
    aten.relu_.default: _write_in_place,
    aten.zero_.default: _write_in_place,
}


_CPU = torch.device("cpu")
_STEP_NUMBER = 1.0
"""What a scalar reads as inside the optimiser's step; Adam divides by one minus a power of it."""
_NOTHING_INFINITE = 0.0
"""What a scalar reads as elsewhere: the gradient scaler asks whether a gradient is infinite."""


class Recorder(TorchDispatchMode, Watch):
    """Records what the steps under it allocate, free and move.

    ``host_steps`` says that the optimiser counts steps in scalars of the host, as it does for CUDA
    parameters unless it is fused (torch/optim/adam.py); those are left out.
    """

    def __init__(self, *, kernels: DeviceKind, host_steps: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._kernels = kernels
        self._host_steps = host_steps
        self._ledger = Ledger()
        self._live: dict[int, int] = {}
        self._references: dict[int, weakref.ref[torch.UntypedStorage]] = {}
        self._path: list[str] = []
        self._module_of_node: dict[int, str] = {}
        self._module_of_parameter: dict[int, str] = {}
        self._of_forward: set[int] = set()
        self._recomputed: set[int] = set()
        self._updating = False

    def raw(self, batch: int) -> RawTrace:
        """What has been seen so far."""
        return self._ledger.raw(batch)

    def inside(self, path: str, forward: Callable[..., Any]) -> Callable[..., Any]:
        """Takes note of the module that runs, also where a recomputation is cut off inside it."""

        @wraps(forward)
        def followed(*args: Any, **kwargs: Any) -> Any:
            self._path.append(path)
            try:
                return forward(*args, **kwargs)
            finally:
                self._path.pop()

        return followed

    def enter(self, phase: Phase, step: int) -> None:
        """From now on actions are of this phase and step."""
        self._ledger.enter(phase, step)

    def standing(self, model: nn.Module, given: tuple[Tensor, ...]) -> None:
        """Tells parameters, buffers and input by their storages."""
        for name, parameter in model.named_parameters():
            self._module_of_parameter[id(parameter)] = _owner(name)
            self._becomes(parameter, Role.PARAMETER, _owner(name))
        for name, buffer in model.named_buffers():
            self._becomes(buffer, Role.BUFFER, _owner(name))
        for tensor in given:
            self._becomes(tensor, Role.INPUT)

    def forward_done(self, output: Tensor) -> None:
        """What forward has made and is live is kept for backward, but for what the caller holds."""
        held = self._live.get(_key(output))
        if output.requires_grad:
            self._ledger.keep((self._of_forward & set(self._live.values())) - {held})
        self._of_forward.clear()

    def backward_done(self, model: nn.Module) -> None:
        """Tells gradients by their storages."""
        for parameter in model.parameters():
            if parameter.grad is not None:
                module = self._module_of_parameter[id(parameter)]
                self._becomes(parameter.grad, Role.GRADIENT, module)

    def updating(self, *, begins: bool) -> None:
        """Inside the optimiser's step other scalars are read than outside."""
        self._updating = begins

    def updated(self, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler) -> None:
        """Tells the optimiser's and the scaler's state by their storages."""
        for parameter, state in optimizer.state.items():
            module = self._module_of_parameter[id(parameter)]
            for value in state.values():
                if isinstance(value, Tensor):
                    self._becomes(value, Role.OPTIMIZER, module)
        if scaler.is_enabled():
            for scalar in (scaler._scale, scaler._growth_tracker):
                if scalar is not None:
                    self._becomes(scalar, Role.OPTIMIZER)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs the operator and takes note of the storages it made."""
        if func is torch.ops.prim.device.default:
            return _CPU  # asked for thousands of times
        if func is torch.ops.aten._local_scalar_dense.default:
            return _STEP_NUMBER if self._updating else _NOTHING_INFINITE
        name = func._schema.name.replace("::", ".")
        self._ledger.operator(name, self._where())
        self._end_recomputation()
        try:
            result = run(Call(self._kernels, func, args, kwargs or {}))
        except RuntimeError as error:  # NotImplementedError among them
            raise NotTraceable(name, error) from error
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and _key(leaf) not in self._live:
                self._appear(leaf)
        if func is torch.ops.aten.add.Tensor and self._ledger.phase is Phase.BACKWARD:
            self._expect_in_place(args[0], result)
        return result

    def _where(self) -> str:
        """The module that runs; in backward the one whose forward made the node that runs."""
        if self._path:
            number = torch._C._autograd._get_sequence_nr() - 1
            self._module_of_node.setdefault(number, self._path[-1])
            return self._path[-1]
        node = torch._C._current_autograd_node()
        if node is None:
            return ""
        variable = getattr(node, "variable", None)  # of the node that accumulates a gradient
        if variable is not None:
            return self._module_of_parameter.get(id(variable), "")
        return self._module_of_node.get(node._sequence_nr(), "")

    def _end_recomputation(self) -> None:
        """What a checkpointed block has made again, and is live now, is kept for its backward."""
        if self._recomputed and not self._path:
            self._ledger.keep(self._recomputed & set(self._live.values()))
            self._recomputed.clear()

    def _appear(self, tensor: Tensor) -> None:
        storage, key = tensor.untyped_storage(), _key(tensor)
        on_host = self._updating and self._host_steps and tensor.dim() == 0
        if on_host or not storage.nbytes():  # an allocator is not asked for nothing
            return
        block = self._ledger.allocate(storage.nbytes(), tensor.numel())
        self._live[key] = block
        self._references[key] = weakref.ref(storage, lambda _: self._disappear(key))
        if self._ledger.phase is Phase.FORWARD:
            self._of_forward.add(block)
        elif self._ledger.phase is Phase.BACKWARD and self._path:
            self._recomputed.add(block)

    def _disappear(self, key: int) -> None:
        del self._references[key]
        self._ledger.free(self._live.pop(key))

    def _expect_in_place(self, first: Tensor, result: Tensor) -> None:
        old, new = self._live.get(_key(first)), self._live.get(_key(result))
        if old is not None and new is not None:
            self._ledger.move_if_gone(old, new)

    def _becomes(self, tensor: Tensor, role: Role, module: str | None = None) -> None:
        block = self._live.get(_key(tensor))
        if block is not None:
            self._ledger.becomes(block, role, module)


def _owner(name: str) -> str:
    return name.rpartition(".")[0]


def _key(tensor: Tensor) -> int:
    """Tells storages apart while they live: those without data have no address."""
    return int(tensor.untyped_storage()._cdata)


@contextmanager
def _no_collection() -> Iterator[None]:
    """When a tensor goes must not hang on when Python looks for cycles; it is faster, too."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def record(network: Network, recipe: Recipe, *, kernels: DeviceKind) -> RawTrace:
    """What setup and the steps do to memory at the recipe's batch size.

    ``kernels`` says whose operators run. Raises ``NotTraceable`` for an operator that needs data,
    ``UsageError`` for a batch that the network refuses.
    """
    fused = recipe.optimizer_impl is OptimizerImpl.FUSED
    recorder = Recorder(kernels=kernels, host_steps=kernels is DeviceKind.CUDA and not fused)
    model = model_without_tensors(network)
    # The steps outlive the recording: what they hold at its end is live.
    with _no_collection(), FakeTensorMode(), recorder:
        try:
            steps = empty_steps(model, network, recipe, kernels=kernels, watch=recorder)
            run_steps(steps)
        except ValueError as error:
            raise UsageError(
                f"the network refuses a batch of {recipe.batch}: {error}",
                hint="choose a larger batch or image",
            ) from error
        return recorder.raw(recipe.batch)
