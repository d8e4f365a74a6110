"""Published throughputs against what their cards allow, by what their engines fuse.

Eager torch runs operator by operator, so it must stay below the unfused bound; a compiler fuses
what looks at single elements, so it must stay below the fused one. TensorRT fuses more, and runs
int8: it must stay below the bound of the whole network.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from resprof.answers.roofline.bounds import least_time
from resprof.answers.roofline.peaks import Peaks, PeakSource
from resprof.counting.cost import count
from resprof.counting.operators import operators
from resprof.counting.passes import passes
from resprof.counting.traffic import Fusion, sizes_of
from resprof.model.devices import Device, device
from resprof.model.networks import resolve
from resprof.model.published import PublishedResult, results
from resprof.model.recipe import Arithmetic, Mode, Precision, infer, train

OFFLINE_BATCH = 256
"""Where a source names no batch, as MLPerf does not; large enough that weights weigh nothing."""
SMALL_BATCH = 8
PRECISIONS = {
    "amp": Precision.AMP_FP16,
    "amp_bf16": Precision.AMP_BF16,
    "bf16": Precision.BF16,
    "fp32": Precision.FP32,
    "tf32": Precision.TF32,
    "int8": Precision.FP16,
}
L2_LARGE_FOR_ITS_MEMORY = {"l4", "l40s"}
"""48 and 96 MB of cache beside 300 and 864 GB/s: at the batches that TensorRT chooses there, maps
go from one pass to the next in the cache."""


def _rate(card: Device, precision: str) -> float:
    rate = {
        "amp": card.fp16_flops_per_s,
        "amp_bf16": card.bf16_flops_per_s,
        "bf16": card.bf16_flops_per_s,
        "fp32": card.fp32_flops_per_s,
        "tf32": card.tf32_flops_per_s,
        "int8": card.int8_ops_per_s,
    }[precision]
    assert rate is not None
    return rate


def _shares(result: PublishedResult) -> dict[Fusion, float]:
    """What was published, as a share of what is possible with each notion of a pass."""
    card = device(result.peaks_of or "")
    assert card is not None
    assert result.throughput_images_per_s is not None
    batch = result.batch // result.devices if result.batch else OFFLINE_BATCH
    architecture = resolve(result.model)
    make = infer if result.mode is Mode.INFER else train
    recipe = replace(
        make(batch=batch, image=architecture.image), precision=PRECISIONS[result.precision]
    )
    sizes = sizes_of(recipe)
    if result.precision == "int8":
        sizes = replace(sizes, maps=1, stored=1, used=1)
    peaks = Peaks(
        source=PeakSource.DATASHEET,
        device=card.name,
        arithmetic=Arithmetic.FP16,
        flops_per_s=_rate(card, result.precision),
        bandwidth_bytes_per_s=card.bandwidth_bytes_per_s,
        how=card.source,
    )
    found = operators(count(architecture), recipe, sizes)
    one = result.throughput_images_per_s / result.devices
    return {fusion: one * least_time(passes(found, fusion), peaks)[0] / batch for fusion in Fusion}


KNOWN = [each for each in results() if each.peaks_of and each.throughput_images_per_s]
HELD = [(each, _shares(each)) for each in KNOWN]


def _name(result: PublishedResult) -> str:
    return f"{result.source} {result.device} {result.model} {result.precision} {result.batch}"


def _bound(result: PublishedResult) -> Fusion:
    if result.engine.startswith("eager"):
        return Fusion.UNFUSED
    return Fusion.FUSED if result.engine.startswith("dynamo") else Fusion.WHOLE


def test_there_are_many_of_each_kind() -> None:
    kinds = [_bound(result) for result in KNOWN]
    assert {fusion: kinds.count(fusion) >= 15 for fusion in Fusion} == dict.fromkeys(Fusion, True)


@pytest.mark.parametrize(("result", "shares"), HELD, ids=[_name(each) for each in KNOWN])
def test_nothing_published_beats_the_bound_of_its_engine(
    result: PublishedResult, shares: dict[Fusion, float]
) -> None:
    assert 0 < shares[_bound(result)] < 1


def _large(result: PublishedResult) -> bool:
    return result.batch is None or result.batch > SMALL_BATCH


def test_large_batches_reach_a_tenth_to_three_quarters_of_the_fused_bound() -> None:
    """Tensor cores and plain fp32 apart; outside lie only int8 by TensorRT, up to 82%."""
    for plain in (False, True):
        of_kind = [
            (result, shares[Fusion.FUSED])
            for result, shares in HELD
            if _large(result)
            and (result.precision == "fp32") is plain
            and result.peaks_of not in L2_LARGE_FOR_ITS_MEMORY
        ]
        outside = [each for each in of_kind if not 0.10 <= each[1] <= 0.75]
        assert len(outside) < 0.15 * len(of_kind)
        assert all(result.precision == "int8" and share < 0.85 for result, share in outside)


def test_a_compiler_beats_the_unfused_bound_and_eager_torch_does_not() -> None:
    """That the two bounds are apart, and that engines lie on the two sides of one, is no guess."""
    compiled = [s[Fusion.UNFUSED] for r, s in HELD if _bound(r) is Fusion.FUSED]
    assert min(compiled) > 1
    eager = [s[Fusion.UNFUSED] for r, s in HELD if _bound(r) is Fusion.UNFUSED]
    assert max(eager) < 1


def test_only_a_cache_takes_a_result_beyond_the_fused_bound() -> None:
    beyond = {r.peaks_of for r, shares in HELD if shares[Fusion.FUSED] > 1}
    assert beyond == L2_LARGE_FOR_ITS_MEMORY
