"""What only a GPU takes, measured on one: context, cuBLAS, and operator by operator.

The convolutions and batch norms are those of ResNet-18 and -50; a prediction for another network
finds the shapes that it shares with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from resprof.answers.gpu.validate_cuda import gpu_workloads, record_history
from resprof.codec import from_json, to_json
from resprof.counting.cost import Kind, Layer, count
from resprof.errors import EnvironmentMissing
from resprof.measure.memory_history import DeviceMemory, run_in_child
from resprof.memory.history import MemoryHistory
from resprof.memory.overlay import Calibration, Use, Workspace, shape_text
from resprof.model.environment import Environment
from resprof.model.networks import resolve, workload_of
from resprof.model.recipe import MemoryFormat, Precision

if TYPE_CHECKING:
    import torch
    from torch import Tensor


MODELS = ("resnet18", "resnet50")
BATCHES = (32, 128)
"""Two, to tell what grows with the batch; both of a size at which predictions are held."""
LIMIT_S = 300.0
_FEATURES, _CLASSES = 512, 1000

Call = Callable[[], "Sequence[Tensor]"]
Bytes = Mapping[Use, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operators:
    """What the measuring process saw.

    ``cublas_forward_bytes`` and ``cublas_backward_bytes`` are what stays of the first matrix
    multiplies, in forward and in backward's thread.
    """

    cublas_forward_bytes: int
    cublas_backward_bytes: int
    workspaces: tuple[Workspace, ...]


def calibrate_on_cuda(
    models: Sequence[str] = MODELS,
    *,
    measure: Callable[[Sequence[str]], Operators] | None = None,
    record: Callable[[], MemoryHistory] | None = None,
) -> Calibration:
    """Measures the CUDA device, in two processes of their own.

    The context is that of a ResNet-50's training steps: each kernel that is loaded adds to it.
    Raises ``EnvironmentMissing`` without a device, ``NotMeasured`` where memory runs out.
    """
    history = (record or _training)()
    return calibration_of(history, (measure or _measured)(models))


def calibration_of(history: MemoryHistory, operators: Operators) -> Calibration:
    """The two processes' findings as a calibration."""
    environment: Environment = history.environment
    if environment.gpu is None or environment.torch is None:
        raise EnvironmentMissing(
            "the measurement does not say on which GPU it ran", hint="run it again"
        )
    return Calibration(
        device=environment.gpu.name,
        capability=environment.gpu.compute_capability,
        torch=environment.torch.version,
        driver=environment.gpu.driver,
        date=environment.date,
        total_bytes=history.total_bytes,
        context_bytes=history.context_bytes,
        cublas_bytes=operators.cublas_forward_bytes,
        cublas_handles=2 if operators.cublas_backward_bytes else 1,
        workspaces=operators.workspaces,
    )


def layers_of(models: Sequence[str]) -> tuple[Layer, ...]:
    """The convolutions and batch norms of some networks, each shape once."""
    shapes: dict[str, Layer] = {}
    for model in models:
        for placed in count(resolve(model)).layers():
            if placed.layer.kind in {Kind.CONV, Kind.BN}:
                text = shape_text(placed.layer, Precision.FP32, MemoryFormat.CONTIGUOUS)
                shapes.setdefault(text, placed.layer)
    return tuple(shapes.values())


def affine(first: tuple[int, int], second: tuple[int, int]) -> tuple[int, int]:
    """(constant, per image) from bytes at two batch sizes, each given as (batch, bytes).

    Both are whole and not negative, and come to at least what was measured at either batch: what
    falls with the batch counts as constant, what grows faster than it as proportional.
    """
    (one, bytes_one), (other, bytes_other) = sorted((first, second))
    if bytes_other <= bytes_one:
        return bytes_one, 0
    per_image = _divide_up(bytes_other - bytes_one, other - one)
    constant = bytes_one - per_image * one
    if constant < 0:
        return 0, max(_divide_up(bytes_one, one), _divide_up(bytes_other, other))
    return constant, per_image


def measure_operators(argument: Any, memory: DeviceMemory) -> str:
    """The child's task: ``argument`` names the networks; returns ``Operators`` as JSON."""
    forward, backward = _cublas(memory)  # first, for it is to be seen once in a process
    operators = Operators(
        cublas_forward_bytes=forward,
        cublas_backward_bytes=backward,
        workspaces=tuple(_workspaces(layers_of(argument), memory, BATCHES)),
    )
    return to_json(operators, indent=None)


def _divide_up(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor)


def _training() -> MemoryHistory:
    architecture, recipe = next(
        (architecture, recipe)
        for architecture, recipe in gpu_workloads(["resnet50"])
        if recipe.precision is Precision.AMP_BF16
    )
    return record_history(workload_of(architecture, recipe))


def _measured(models: Sequence[str]) -> Operators:
    task = f"{__name__}:{measure_operators.__name__}"
    return from_json(Operators, run_in_child(task, list(models), limit_s=LIMIT_S))


def _workspaces(
    layers: Sequence[Layer], memory: DeviceMemory, batches: tuple[int, int]
) -> Iterator[Workspace]:
    """All layers in all precisions and layouts; precisions that compute alike are measured once."""
    known: dict[tuple[object, ...], dict[Use, tuple[int, int]]] = {}
    for layer, precision, memory_format in product(layers, Precision, MemoryFormat):
        alike = (layer, precision.arithmetic, _weights(layer, precision), memory_format)
        if alike not in known:
            small, large = (
                measure_layer(layer, precision, memory_format, batch, memory) for batch in batches
            )
            known[alike] = {
                use: affine((batches[0], small[use]), (batches[1], large[use])) for use in small
            }
        for use, (constant, per_image) in known[alike].items():
            yield Workspace(
                shape=shape_text(layer, precision, memory_format),
                use=use,
                constant_bytes=constant,
                per_image_bytes=per_image,
            )


def _weights(layer: Layer, precision: Precision) -> str:
    """Batch norm's weights may differ from its maps in type, a convolution's do not."""
    return precision.stored if layer.kind is Kind.BN else precision.maps


def measure_layer(
    layer: Layer,
    precision: Precision,
    memory_format: MemoryFormat,
    batch: int,
    memory: DeviceMemory,
) -> Bytes:
    """What a layer's operators take beside inputs and outputs, at one batch size."""
    import torch

    torch.backends.cudnn.conv.fp32_precision = (  # type: ignore[attr-defined]
        precision.arithmetic.fp32_precision
    )
    layout = (
        torch.channels_last
        if memory_format is MemoryFormat.CHANNELS_LAST
        else torch.contiguous_format
    )
    maps = getattr(torch, precision.maps)

    def tensor(*shape: int) -> Tensor:
        return torch.empty(shape, dtype=maps, device=memory.device, memory_format=layout)

    x, gradient = tensor(batch, *layer.input), tensor(batch, *layer.output)
    if layer.kind is Kind.BN:
        weights = getattr(torch, _weights(layer, precision))
        return {Use.RESERVE: _reserve(x.requires_grad_(), weights, memory)}
    kernel = layer.kernel or (1, 1)
    groups = layer.groups or 1
    weight = tensor(layer.output[0], layer.input[0] // groups, *kernel)
    return _convolution(layer, x, weight, gradient, memory)


def _convolution(
    layer: Layer, x: Tensor, weight: Tensor, gradient: Tensor, memory: DeviceMemory
) -> Bytes:
    import torch

    aten = torch.ops.aten
    how = (layer.stride, layer.padding, layer.dilation, False, (0, 0), layer.groups or 1)

    def forward() -> Sequence[Tensor]:
        return [aten.convolution(x, weight, None, *how)]

    def backward(*needed: bool) -> Call:
        def call() -> Sequence[Tensor]:
            results = aten.convolution_backward(gradient, x, weight, None, *how, needed)
            return [result for result in results if result is not None]

        return call

    return {
        Use.FORWARD: _workspace(forward, memory),
        Use.INPUT_GRADIENT: _workspace(backward(True, False, False), memory),
        Use.WEIGHT_GRADIENT: _workspace(backward(False, True, False), memory),
    }


def _workspace(call: Call, memory: DeviceMemory) -> int:
    """The peak during a call less what was there and what it returns."""
    before = memory.requested()
    memory.reset_peak()
    made = sum(result.untyped_storage().nbytes() for result in call())
    return max(memory.peak_requested() - before - made, 0)


def _reserve(x: Tensor, weights: torch.dtype, memory: DeviceMemory) -> int:
    """What batch norm keeps beside its result and two vectors of statistics in fp32."""
    import torch

    channels = x.shape[1]
    mean, variance, weight, bias = (
        torch.ones(channels, dtype=weights, device=memory.device) for _ in range(4)
    )
    before = memory.requested()
    result = torch.nn.functional.batch_norm(x, mean, variance, weight, bias, training=True)
    kept = memory.requested() - before
    statistics = 2 * channels * torch.float32.itemsize
    return max(kept - result.untyped_storage().nbytes() - statistics, 0)


def _cublas(memory: DeviceMemory) -> tuple[int, int]:
    """What stays of a fully connected layer with a bias, forward and backward."""
    import torch

    device = memory.device
    features = torch.ones(BATCHES[0], _FEATURES, device=device, requires_grad=True)
    weight = torch.ones(_CLASSES, _FEATURES, device=device, requires_grad=True)
    bias = torch.ones(_CLASSES, device=device, requires_grad=True)
    upstream = torch.ones(BATCHES[0], _CLASSES, device=device)
    before = memory.requested()
    result = torch.nn.functional.linear(features, weight, bias)
    forward = memory.requested() - before - result.untyped_storage().nbytes()
    before = memory.requested()
    result.backward(upstream)  # type: ignore[no-untyped-call]
    gradients = (tensor.grad for tensor in (features, weight, bias))
    made = sum(grad.untyped_storage().nbytes() for grad in gradients if grad is not None)
    return max(forward, 0), max(memory.requested() - before - made, 0)
