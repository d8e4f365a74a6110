"""The largest batch that a CUDA device really takes, beside the predicted one.

Each try is ten seconds and a process of its own, so the search starts at the prediction and goes
on from it: in steps that double until an answer changes, then by halving.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from resprof.answers.gpu.validation import BatchTry, LargestBatchCheck
from resprof.answers.memory.budget import largest_batch
from resprof.answers.memory.traces import network_of
from resprof.codec import from_json, from_plain, to_json
from resprof.errors import EnvironmentMissing, NotMeasured, UsageError
from resprof.measure.memory_history import DeviceMemory, Usage, run_in_child
from resprof.memory.overlay import Calibration, default_overlay
from resprof.model.architecture import Architecture
from resprof.model.environment import DeviceKind, Environment
from resprof.model.networks import architecture_of, resolve, workload_of
from resprof.model.recipe import MemoryFormat, Precision, Recipe, Workload, train

if TYPE_CHECKING:
    from resprof.networks.step import Steps, Watch


LIMIT_S = 120.0
"""What one try may take: ten seconds as a rule, most of it to load libraries."""
_NO_ALGORITHM = "unable to find an engine"
"""What torch says after none of cuDNN's algorithms ran, be it for want of memory (pytorch#108645)
or because there is none."""
_NO_HANDLE = "CUBLAS_STATUS_NOT_INITIALIZED"
"""What torch says where cuBLAS could not be set up, which is mostly for want of memory."""
_NEARLY_FULL = 512 * 2**20
"""Far more than a handle and its workspace take: with that much free, memory is not why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLook:
    """The device before anything runs; ``in_use_bytes`` are other processes', None if unknown."""

    environment: Environment
    total_bytes: int
    in_use_bytes: int | None


class Device(Protocol):
    """Where batch sizes are tried."""

    def look(self) -> DeviceLook:
        """How the device stands. Raises ``EnvironmentMissing`` where there is none."""

    def run(self, workload: Workload) -> BatchTry:
        """Setup and two steps. Raises ``NotMeasured`` for any end but the two that are asked."""


class CudaDevice:
    """The current CUDA device, with a new process for each question."""

    def look(self) -> DeviceLook:
        """How the device stands, which takes two processes at once."""
        text = run_in_child(f"{__name__}:{look_around.__name__}", None, limit_s=LIMIT_S)
        return from_json(DeviceLook, text)

    def run(self, workload: Workload) -> BatchTry:
        """Setup and two steps."""
        task = f"{__name__}:{try_batch.__name__}"
        text = run_in_child(task, workload, limit_s=LIMIT_S)
        return from_json(BatchTry, text)


def free_beside() -> int | None:
    """The free memory that a new process sees on the device; None where it cannot run."""
    task = f"{__name__}:{free_bytes.__name__}"
    try:
        return int(run_in_child(task, None, limit_s=LIMIT_S))
    except (NotMeasured, EnvironmentMissing):  # a device may be set to take one process only
        return None


def free_bytes(argument: Any, memory: DeviceMemory) -> str:  # noqa: ARG001
    """A child's task: what is free with a context of its own on the device."""
    return str(memory.usage().free)


def look_around(
    argument: Any,  # noqa: ARG001
    memory: DeviceMemory,
    beside: Callable[[], int | None] = free_beside,
) -> str:
    """A child's task: returns a ``DeviceLook`` as JSON.

    CUDA tells nothing before a process has its context, and of what is in use then not how much
    the context takes. The context of a second process takes as much, and that can be seen.
    """
    own = memory.usage()
    free = beside()
    context = None if free is None else own.free - free
    look = DeviceLook(
        environment=memory.environment(),
        total_bytes=own.total,
        in_use_bytes=None if context is None else max(own.total - own.free - context, 0),
    )
    return to_json(look, indent=None)


def prepare_process(recipe: Recipe) -> None:
    """Sets what holds for the whole process: the arithmetic, and that nothing is collected."""
    from resprof.measure.device import set_switches

    set_switches(recipe)
    gc.disable()  # when a tensor goes must not hang on when Python looks for cycles


def run_on_device(workload: Workload, memory: DeviceMemory, watch: Watch) -> Steps:
    """Runs the very steps that are traced; their memory stays as long as what is returned."""
    from resprof.networks.step import empty_steps, model_without_tensors, run_steps

    network = network_of(architecture_of(workload))
    model = model_without_tensors(network)
    kernels = DeviceKind(memory.device.type)
    with memory.device:  # where tensors are made whose maker names no device
        steps = empty_steps(model, network, workload.recipe, kernels=kernels, watch=watch)
    run_steps(steps)
    return steps


def try_batch(argument: Any, memory: DeviceMemory) -> str:
    """A child's task: ``argument`` is a workload as JSON has it; returns a ``BatchTry`` as JSON."""
    from resprof.networks.step import Watch

    workload = from_plain(Workload, argument)
    prepare_process(workload.recipe)
    start = memory.usage()
    begun = time.perf_counter()
    error = None
    try:
        run_on_device(workload, memory, Watch())
    except (RuntimeError, MemoryError) as raised:
        if not _ran_out(raised, memory.usage()):
            raise
        error = (str(raised).strip().splitlines() or [type(raised).__name__])[0]
    end = memory.usage()
    tried = BatchTry(
        batch=workload.recipe.batch,
        fits=error is None,
        error=error,
        seconds=time.perf_counter() - begun,
        peak_allocated_bytes=end.peak.allocated_bytes,
        peak_reserved_bytes=end.peak.reserved_bytes,
        start_bytes=start.total - start.free,
        context_bytes=end.total - end.free - end.reserved,
        retries=end.retries,
    )
    return to_json(tried, indent=None)


def _ran_out(error: BaseException, usage: Usage) -> bool:
    from resprof.measure.device import is_out_of_memory

    text = str(error)
    if is_out_of_memory(error):
        return True
    # Only near the end of memory is it the likelier reason.
    no_room = usage.retries > 0 or usage.free < _NEARLY_FULL
    return (_NO_ALGORITHM in text and usage.retries > 0) or (_NO_HANDLE in text and no_room)


MOST_TRIES = 24
"""Four minutes. They find whatever lies below three times the prediction; one that is right takes
six to ten."""
RESOLUTION = 0.1
"""How exactly the largest batch is looked for, as a share of the tolerance: an error can be judged
by it, and one image more is no news where a batch has thousands."""
FIRST_STEP = 0.01
"""As a share of the prediction."""
CONTEXT_BATCH = 32
"""At which the context is measured: of a size at which the kernels are those of large batches."""

_TRAIN = train(batch=1, image=(224, 224))
_BF16_LAST = replace(_TRAIN, precision=Precision.AMP_BF16, memory_format=MemoryFormat.CHANNELS_LAST)
_WORKLOADS = (("resnet50", _BF16_LAST), ("resnet152", _TRAIN))
"""What is trained most, and what takes the most memory for an image: on 80 GiB neither passes 2^31
elements in a tensor, as ResNet-18 does."""

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a search came to; see ``LargestBatchCheck``."""

    fitting: int
    failing: int | None
    bound_hit: bool


def find_largest(
    fits: Callable[[int], bool], start: int, *, resolution: int = 1, most_tries: int = MOST_TRIES
) -> Search:
    """Looks for the largest batch that fits, from ``start`` outwards, to within ``resolution``."""
    answers: dict[int, bool] = {}
    batch = next_try(answers, start, resolution)
    while batch is not None and len(answers) < most_tries:
        answers[batch] = fits(batch)
        batch = next_try(answers, start, resolution)
    fitting, failing = bracket(answers)
    return Search(fitting=fitting, failing=failing, bound_hit=batch is not None)


def bracket(answers: Mapping[int, bool]) -> tuple[int, int | None]:
    """The largest batch that fits with all smaller ones tried, and the smallest that does not."""
    failing = min((batch for batch, fitted in answers.items() if not fitted), default=None)
    fitting = (
        batch
        for batch, fitted in answers.items()
        if fitted and (failing is None or batch < failing)
    )
    return max(fitting, default=0), failing


def next_try(answers: Mapping[int, bool], start: int, resolution: int) -> int | None:
    """What to try after these answers; None where they do.

    At the end come the neighbours on both sides, without which no search by halving would ever see
    that fitting is not monotone.
    """
    fitting, failing = bracket(answers)
    step = max(resolution, round(start * FIRST_STEP))
    if not answers:
        return start
    if failing is None:
        return start + 2 * (max(answers) - start) + step
    if fitting == 0:
        return max(1, start - 2 * (start - failing) - step) if failing > 1 else None
    if failing - fitting > resolution:
        return (fitting + failing) // 2
    neighbours = (failing + resolution, fitting - resolution)
    return next((batch for batch in neighbours if batch > 0 and batch not in answers), None)


def largest_workloads(models: Sequence[str] = ()) -> Iterator[tuple[Architecture, Recipe]]:
    """Training in bf16 autocast, channels last, of each model; the standing set without one."""
    named = [(model, _BF16_LAST) for model in models]
    for model, recipe in named or _WORKLOADS:
        architecture = resolve(model)
        yield architecture, replace(recipe, image=architecture.image)


def check_largest(
    chosen: Sequence[tuple[Architecture, Recipe]],
    *,
    tolerance: float,
    calibration: Calibration | None = None,
    progress: Progress = lambda *_: None,
    device: Device | None = None,
) -> tuple[DeviceLook | None, tuple[LargestBatchCheck, ...]]:
    """Predicts and finds the largest batch of each workload; how the device stood comes first.

    A workload that cannot be measured is a check that says so. Raises ``EnvironmentMissing`` where
    there is no CUDA device.
    """
    if not chosen:
        return None, ()
    device = device or CudaDevice()
    progress(0, len(chosen), "what is in use on the device")
    try:
        look = device.look()
    except NotMeasured as error:
        return None, tuple(
            replace(_unmeasured(architecture, recipe), failure=_sentence(error))
            for architecture, recipe in chosen
        )
    return look, tuple(
        _checked(
            architecture,
            recipe,
            device,
            look,
            tolerance=tolerance,
            calibration=calibration,
            say=partial(_say, progress, done, len(chosen), architecture.id),
        )
        for done, (architecture, recipe) in enumerate(chosen)
    )


def _checked(
    architecture: Architecture,
    recipe: Recipe,
    device: Device,
    look: DeviceLook,
    *,
    tolerance: float,
    calibration: Calibration | None,
    say: Callable[[int], None],
) -> LargestBatchCheck:
    tries: list[BatchTry] = []

    def run(batch: int) -> BatchTry:
        say(batch)
        tries.append(device.run(workload_of(architecture, replace(recipe, batch=batch))))
        return tries[-1]

    check = replace(
        _unmeasured(architecture, recipe),
        total_bytes=look.total_bytes,
        in_use_bytes=look.in_use_bytes,
    )
    try:
        known = calibration or _calibrated_by(look, run(CONTEXT_BATCH))
        check = _predicted(check, architecture, known, look.total_bytes)
        start = max(check.predicted_batch or 0, 1)
        check = replace(check, resolution=max(1, int(start * tolerance * RESOLUTION)))
        search = find_largest(
            lambda batch: run(batch).fits,
            start,
            resolution=check.resolution or 1,
            most_tries=check.most_tries - len(tries),
        )
        check = replace(check, bound_hit=search.bound_hit)
    except (NotMeasured, UsageError) as error:
        check = replace(check, failure=_sentence(error))
    return judged(_with_tries(check, tries), tolerance)


def _calibrated_by(look: DeviceLook, tried: BatchTry) -> Calibration:
    """The documented defaults for the device, but with the context that one try had."""
    gpu, torch = look.environment.gpu, look.environment.torch
    capability = gpu.compute_capability if gpu else (9, 0)
    defaults = default_overlay(capability)
    return Calibration(
        device=gpu.name if gpu else "",
        capability=capability,
        torch=torch.version if torch else "",
        driver=gpu.driver if gpu else None,
        date=look.environment.date,
        total_bytes=look.total_bytes,
        context_bytes=tried.context_bytes - (look.in_use_bytes or 0),
        cublas_bytes=defaults.cublas_bytes,
        cublas_handles=defaults.cublas_handles,
    )


def _predicted(
    check: LargestBatchCheck, architecture: Architecture, calibration: Calibration, total_bytes: int
) -> LargestBatchCheck:
    """As if the device were empty, and for torch's default allocator, which comes first."""
    budget, _ = largest_batch(
        architecture, check.recipe, total_bytes=total_bytes, calibration=calibration
    )
    return replace(
        check,
        recipe=budget.recipe,
        context_bytes=budget.limit.context_bytes,
        predicted_batch=budget.max_batch,
        unproven=budget.rows[0].unproven,
    )


def _with_tries(check: LargestBatchCheck, tries: Sequence[BatchTry]) -> LargestBatchCheck:
    if not tries:
        return check
    fitting, failing = bracket({tried.batch: tried.fits for tried in tries})
    above = (
        tried.batch
        for tried in tries
        if tried.fits and failing is not None and tried.batch > failing
    )
    return replace(
        check,
        fitting_batch=fitting,
        failing_batch=failing,
        fits_above=tuple(sorted(above)),
        tries=tuple(tries),
    )


def judged(check: LargestBatchCheck, tolerance: float) -> LargestBatchCheck:
    """The check with its error and whether that is within tolerance, as far as its tries tell."""
    predicted, fitting, failing = check.predicted_batch, check.fitting_batch, check.failing_batch
    if check.failure is not None or predicted is None or fitting is None:
        return check
    if failing is not None and failing - fitting <= (check.resolution or 1):
        error = predicted / fitting - 1 if fitting else None
        within = predicted == 0 if error is None else abs(error) <= tolerance
        return replace(check, error=error, within=within)
    # Of all that may be the largest the one nearest to the prediction: is even that too far off?
    nearest = max(fitting, predicted if failing is None else min(predicted, failing - 1))
    if nearest and abs(predicted / nearest - 1) > tolerance:
        return replace(check, within=False)
    limit = "no limit was seen" if failing is None else f"below {failing}"
    return replace(
        check,
        failure=f"{len(check.tries)} tries were not enough: the largest batch is at least "
        f"{fitting}, {limit}",
    )


def _unmeasured(architecture: Architecture, recipe: Recipe) -> LargestBatchCheck:
    return LargestBatchCheck(model=architecture.id, recipe=recipe, most_tries=MOST_TRIES)


def _sentence(error: NotMeasured | UsageError) -> str:
    return f"{error.message}; {error.hint}"


def _say(progress: Progress, done: int, total: int, model: str, batch: int) -> None:
    progress(done, total, f"{model}: does a batch of {batch} fit?")
