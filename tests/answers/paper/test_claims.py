import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from resprof.answers.paper.claims import EVALUATORS, THEMES, check_claims
from resprof.counting.cost import Kind, NetworkCost, add_up, count
from resprof.errors import UsageError
from resprof.model.networks import resolve
from resprof.model.published import CheckedClaim, Claim, Verdict, claims, notes

Count = Callable[[str, tuple[int, int] | None], NetworkCost]
EVERY = (*claims(), *notes())
UNPROVEN = {Verdict.REFERENCE, Verdict.NOT_CHECKABLE}


@cache
def true_count(name: str, image: tuple[int, int] | None = None) -> NetworkCost:
    return count(resolve(name, image=image))


@cache
def checked() -> dict[str, CheckedClaim]:
    return {claim.id: claim for claim in check_claims(EVERY, true_count)}


def test_every_claim_has_one_evaluator_and_every_evaluator_a_claim() -> None:
    ids = [claim.id for claim in EVERY]
    assert len(set(ids)) == len(ids)
    assert set(EVALUATORS) == set(ids)
    assert sum(len(theme) for theme in THEMES) == len(EVALUATORS)


def test_a_claim_without_an_evaluator_is_not_passed_over() -> None:
    unknown = Claim(id="flops.none", where="", kind="flops", printed="1", unit="", statement="")
    with pytest.raises(KeyError):
        check_claims([unknown], true_count)


def test_findings_keep_the_claims_order_and_words() -> None:
    found = check_claims(EVERY, true_count)
    assert [(c.id, c.printed, c.statement) for c in found] == [
        (c.id, c.printed or None, c.statement) for c in EVERY
    ]


@pytest.mark.parametrize("claim", EVERY, ids=lambda claim: claim.id)
def test_an_explanation_is_one_finished_line(claim: Claim) -> None:
    found = checked()[claim.id]
    assert "\n" not in found.explanation
    assert found.explanation.endswith(".")
    assert found.explanation.isascii()
    if found.verdict not in UNPROVEN:
        assert found.ours is not None


# Table 1 by hand: a convolution of 64 channels on 56x56 costs one UNIT per kernel position, and
# each stage that doubles the channels halves the side, so every stage has the same UNIT.
UNIT = 64 * 64 * 56 * 56
CONV1 = 7 * 7 * 3 * 64 * 112 * 112


def basic_by_hand(blocks: tuple[int, ...], option: str) -> int:
    """3x3, 3x3 per block; a stage's first convolution reads half the channels, but for conv2_x."""
    convolutions = 9 * UNIT * (2 * sum(blocks) - 3) + 9 * UNIT // 2 * 3
    projection = {"A": 0, "B": UNIT // 2 * 3, "C": UNIT // 2 * 3 + UNIT * (sum(blocks) - 3)}[option]
    return CONV1 + convolutions + projection + 512 * 1000


def bottleneck_by_hand(blocks: tuple[int, ...]) -> int:
    """Option B, stride in the first 1x1: 4 UNIT in, 9 inside, 4 out, projections where it changes.

    conv2_1 reads 64 channels: 1 in, 4 for its projection. The first block of a later stage reads
    twice its inner width times four halved: 2 in, and 8 for its projection.
    """
    inner = 17 * UNIT * sum(blocks)
    first = (1 - 4 + 4) * UNIT
    others = 3 * (2 - 4 + 8) * UNIT
    return CONV1 + inner + first + others + 2048 * 1000


BY_HAND = {
    "flops.table1.18": basic_by_hand((2, 2, 2, 2), "A"),
    "flops.table1.34": basic_by_hand((3, 4, 6, 3), "A"),
    "flops.table1.50": bottleneck_by_hand((3, 4, 6, 3)),
    "flops.table1.101": bottleneck_by_hand((3, 4, 23, 3)),
    "flops.table1.152": bottleneck_by_hand((3, 8, 36, 3)),
}


def ways(printed: str, macs: int) -> Verdict:
    """The verdict on GMACs with one digit after the point, by integer division."""
    digits = int(printed.replace(".", ""))
    rounding = (macs + 5 * 10**7) // 10**8 == digits
    truncation = macs // 10**8 == digits
    return {
        (True, True): Verdict.BOTH,
        (True, False): Verdict.ROUNDING,
        (False, True): Verdict.TRUNCATION,
        (False, False): Verdict.DIFFERS,
    }[rounding, truncation]


@pytest.mark.parametrize("claim", BY_HAND)
def test_table_1_by_hand(claim: str) -> None:
    found = checked()[claim]
    macs = BY_HAND[claim]
    assert found.ours == macs / 10**9
    assert found.verdict is ways(found.printed or "", macs)
    assert found.verdict is not Verdict.DIFFERS


@pytest.mark.parametrize(
    ("claim", "blocks", "option", "words"),
    [
        ("flops.table1.18", (2, 2, 2, 2), "B", "both ways"),
        ("flops.table1.18", (2, 2, 2, 2), "C", "by truncation"),
        ("flops.table1.34", (3, 4, 6, 3), "B", "by truncation"),
        ("flops.table1.34", (3, 4, 6, 3), "C", "differs"),
    ],
)
def test_other_options_stand_beside_by_hand(
    claim: str, blocks: tuple[int, ...], option: str, words: str
) -> None:
    found = checked()[claim]
    macs = basic_by_hand(blocks, option)
    short = {Verdict.BOTH: "both ways", Verdict.TRUNCATION: "by truncation"}
    assert short.get(ways(found.printed or "", macs), "differs") == words
    assert f"-{option} {macs / 10**9:.3f} GMAC ({words})" in found.explanation


def test_no_single_rule_prints_all_of_table_1() -> None:
    verdicts = {checked()[claim].verdict for claim in BY_HAND}
    assert Verdict.ROUNDING in verdicts
    assert Verdict.TRUNCATION in verdicts


def test_vgg_by_hand() -> None:
    convs = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
    fc = 512 * 7 * 7 * 4096 + 4096 * 4096 + 4096 * 1000
    for depth, repeats in convs.items():
        widths = (3, 64, 128, 256, 512, 512)
        macs = 0
        for index, repeat in enumerate(repeats):
            before, width, side = widths[index], widths[index + 1], 224 >> index
            macs += 9 * side * side * width * (before + (repeat - 1) * width)
        alone, whole = checked()[f"flops.vgg{depth}.conv"], checked()[f"flops.vgg{depth}.convfc"]
        assert (alone.ours, whole.ours) == (macs / 10**9, (macs + fc) / 10**9)
        assert alone.verdict is ways(alone.printed or "", macs)
        assert whole.verdict is ways(whole.printed or "", macs + fc)


def test_the_two_vgg_figures_do_not_count_the_same() -> None:
    matching = {
        name
        for name in ("vgg16.conv", "vgg16.convfc", "vgg19.conv", "vgg19.convfc")
        if checked()[f"flops.{name}"].verdict is not Verdict.DIFFERS
    }
    assert matching == {"vgg16.conv", "vgg19.convfc"}


def test_cifar_parameters_by_hand() -> None:
    for n in (3, 5, 7, 9, 18, 200):
        convs = 9 * (3 * 16 + 16 * 16 * 2 * n)
        convs += 9 * (16 * 32 + 32 * 32 * (2 * n - 1)) + 9 * (32 * 64 + 64 * 64 * (2 * n - 1))
        norms = 2 * (16 * (2 * n + 1) + 32 * 2 * n + 64 * 2 * n)
        assert checked()[f"params.cifar.{6 * n + 2}"].ours == (convs + norms + 650) / 10**6


def test_ratios_and_counts() -> None:
    ours = {name: checked()[name].ours for name in EVALUATORS}
    assert ours["depth.8x"] == 8
    assert ours["opt.C.doubled"] == 33 / 17  # 17 w^2 weights in a block of width w, 16 w^2 besides
    assert ours["bottleneck.similar"] == 17 / 18
    assert ours["opt.C.thirteen"] == (3 + 4 + 6 + 3) - 3
    assert ours["det.91"] == 1 + 3 * (3 + 4 + 23)
    assert ours["identity.no_cost"] == ours["plain_eq_res"] == 0
    share = checked()["ratio.34_vs_vgg19"]
    assert share.ours == pytest.approx(100 * 3.6445 / 19.632, rel=1e-4)
    assert share.verdict is Verdict.TRUNCATION


def test_statements_with_exceptions_hold_in_part() -> None:
    for name in ("cmp.fewer_filters", "design.rule_ii", "cifar.110_fewer", "note.50_for_34"):
        assert checked()[name].verdict is Verdict.PARTLY
    assert checked()["cmp.152_lt_vgg"].verdict is Verdict.HOLDS
    assert checked()["opt.C.doubled"].verdict is Verdict.DIFFERS


def test_filters_by_hand() -> None:
    explanation = checked()["cmp.fewer_filters"].explanation
    plain = 64 + 2 * (3 * 64 + 4 * 128 + 6 * 256 + 3 * 512)
    vgg = 2 * (64 + 128) + 4 * (256 + 512 + 512)
    assert f"in total ({plain:,} against {vgg:,})" in explanation
    assert f"on average ({plain / 33:.0f} against {vgg / 16:.0f})" in explanation


def test_training_costs_three_passes_less_the_images_gradient() -> None:
    images = 256 * 600_000
    macs = images * (3 * bottleneck_by_hand((3, 4, 6, 3)) - CONV1)
    assert f"ResNet-50-B {macs / 10**15:,.0f} PMAC" in checked()["train.imagenet"].explanation
    assert checked()["train.imagenet"].ours == f"{images:,} images"


def test_the_head_of_the_detector_by_hand() -> None:
    head = (17 * 3 + 2 - 4 + 8) * UNIT
    assert checked()["det.head"].ours == f"{300 * head / 10**9:.1f} GMAC"


def test_accuracies_stay_reference_only() -> None:
    accuracy = [claim for claim in EVERY if claim.kind.startswith("accuracy")]
    assert accuracy
    for claim in accuracy:
        found = checked()[claim.id]
        assert found.verdict is Verdict.REFERENCE
        assert found.ours is None


SMALLER = {
    **{
        f"resnet{deep}": f"resnet{less}"
        for deep, less in ((152, 101), (101, 50), (50, 34), (34, 18))
    },
    "resnet18": "resnet34",
    "plain34": "plain18",
    "plain18": "plain34",
    "vgg19": "vgg16",
    "vgg16": "plain18",
}


def shallower(name: str, image: tuple[int, int] | None) -> NetworkCost:
    """Counts a net of another depth than the one asked for."""
    base, *options = name.removeprefix("cifar-").split("-")
    if name.startswith("cifar"):
        kind, depth = re.fullmatch(r"([a-z]+)(\d+)", base).groups()  # type: ignore[union-attr]
        return true_count("-".join(["cifar", f"{kind}{int(depth) + 6}", *options]), image)
    other = SMALLER[base]
    if other in {"resnet18", "resnet34"}:  # basic blocks have no v1.5
        options = [option for option in options if option != "v1.5"]
    return true_count("-".join([other, *options]), image)


def wider(name: str, image: tuple[int, int] | None) -> NetworkCost:
    doubled = not name.startswith("vgg")
    return count(resolve(name, image=image, width=2.0 if doubled else None))


def larger(name: str, image: tuple[int, int] | None) -> NetworkCost:
    side = 40 if name.startswith("cifar") else 260
    return count(resolve(name, image=image or (side, side)))


def projecting(name: str, image: tuple[int, int] | None) -> NetworkCost:
    """Counts option C whatever is asked for."""
    if "vgg" in name:
        return true_count(name, image)
    base = name.replace("plain", "resnet")
    return true_count(base.rstrip("ABC").rstrip("-") + "-C", image)


def without_option_a(name: str, image: tuple[int, int] | None) -> NetworkCost:
    return true_count(f"{name[:-2]}-B" if name.endswith("-A") else name, image)


def of_plain_nets(name: str, image: tuple[int, int] | None) -> NetworkCost:
    """Counts basic nets without shortcuts."""
    base = name.replace("resnet", "plain").rstrip("ABC").rstrip("-")
    try:
        return true_count(base, image)
    except UsageError:
        return true_count(name, image)


def striding_late(name: str, image: tuple[int, int] | None) -> NetworkCost:
    if "v1.5" in name or not any(f"resnet{depth}" in name for depth in (50, 101, 152)):
        return true_count(name, image)
    base, _, option = name.partition("-")
    return true_count(f"{base}-v1.5-{option}", image)


def of_few_classes(name: str, image: tuple[int, int] | None) -> NetworkCost:
    return count(resolve(name, image=image, classes=7))


def without_bn(name: str, image: tuple[int, int] | None) -> NetworkCost:
    cost = true_count(name, image)
    blocks = tuple(
        replace(block, layers=layers, cost=add_up(layer.cost for layer in layers))
        for block in cost.blocks
        for layers in [tuple(layer for layer in block.layers if layer.kind is not Kind.BN)]
    )
    return replace(cost, blocks=blocks, total=add_up(block.cost for block in blocks))


WRONG: tuple[Count, ...] = (
    shallower,
    wider,
    larger,
    projecting,
    without_option_a,
    of_plain_nets,
    striding_late,
    of_few_classes,
    without_bn,
)


def findings_under(wrong: Count) -> dict[str, CheckedClaim]:
    def cost(name: str, image: tuple[int, int] | None = None) -> NetworkCost:
        return wrong(name, image)

    provable = [claim for claim in EVERY if checked()[claim.id].verdict not in UNPROVEN]
    return {claim.id: claim for claim in check_claims(provable, cost)}


def reacts(true: CheckedClaim, wrong: CheckedClaim) -> bool:
    """What differs already may go on differing, but then by another figure."""
    if true.verdict is Verdict.DIFFERS:
        return wrong.ours != true.ours
    return wrong.verdict is not true.verdict


def test_wrong_counts_change_every_finding_that_rests_on_counts() -> None:
    reacting: set[str] = set()
    for wrong in WRONG:
        found = findings_under(wrong)
        reacting |= {name for name, claim in found.items() if reacts(checked()[name], claim)}
    provable = {name for name, found in checked().items() if found.verdict not in UNPROVEN}
    assert provable - reacting == set()
