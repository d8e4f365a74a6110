from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resprof.errors import UnknownModel, UsageError
from resprof.families.residual import CIFAR_MOST_LAYERS
from resprof.model.architecture import Shortcut, StrideIn
from resprof.model.networks import describe, family_of, parse_image, resolve, variants


@pytest.mark.parametrize("name", variants())
def test_every_canonical_id_resolves_to_itself(name: str) -> None:
    assert resolve(name).id == name
    assert resolve(name.upper()) == resolve(name)


def test_variants_are_listed_once() -> None:
    assert len(set(variants())) == len(variants())


def test_one_network_has_one_id() -> None:
    same = [
        resolve("resnet50-v1.5"),
        resolve("resnet50-v1.5-B"),
        resolve("resnet50", stride_in=StrideIn.MIDDLE_3X3),
        resolve("resnet50", stride_in=StrideIn.MIDDLE_3X3, shortcut=Shortcut.B),
        resolve("resnet50-v1.5", stride_in=StrideIn.MIDDLE_3X3),
    ]
    assert all(other == same[0] for other in same)
    assert resolve("resnet50-v1-B") == resolve("resnet50")
    assert resolve("cifar-resnet20-A") == resolve("cifar-resnet20")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("resnet50-A", {"shortcut": Shortcut.B}),
        ("resnet50-v1.5", {"stride_in": StrideIn.FIRST_1X1}),
        ("resnet18-v1.5", {}),
        ("resnet34", {"stride_in": StrideIn.MIDDLE_3X3}),
        ("plain34-A", {}),
        ("vgg16", {"shortcut": Shortcut.C}),
        ("vgg16-v1.5", {}),
        ("resnext50_32x4d-A", {}),
        ("wide_resnet50_2", {"stride_in": StrideIn.FIRST_1X1}),
        ("cifar-resnet20-v1.5", {}),
    ],
)
def test_options_that_a_network_lacks_or_contradicts_are_refused(
    name: str, options: dict[str, Shortcut | StrideIn]
) -> None:
    with pytest.raises(UsageError):
        resolve(name, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["resnet5O", "", "resnet", "alexnet", "resnet50-D", "x" * 10**5])
def test_unknown_names_are_refused_in_one_short_line(name: str) -> None:
    with pytest.raises(UnknownModel) as refusal:
        resolve(name)
    assert len(refusal.value.message) < 120
    assert "\n" not in refusal.value.message + refusal.value.hint


def test_the_nearest_name_is_offered() -> None:
    with pytest.raises(UnknownModel) as refusal:
        resolve("resnet5O")
    assert "resnet50" in refusal.value.hint


@given(st.integers(1, 20_000))
def test_cifar_nets_exist_exactly_at_6n_plus_2(depth: int) -> None:
    exists = depth % 6 == 2 and 8 <= depth <= CIFAR_MOST_LAYERS
    if exists:
        architecture = resolve(f"cifar-resnet{depth}")
        assert 2 + 2 * sum(stage.blocks for stage in architecture.stages) == depth
    else:
        with pytest.raises(UsageError) as refusal:
            resolve(f"cifar-resnet{depth}")
        offered = [int(word) for word in refusal.value.hint.split() if word.isdigit()]
        would_do = [n for n in offered if n % 6 == 2 and 8 <= n <= CIFAR_MOST_LAYERS]
        assert len(would_do) >= 2  # the ends of the range are named besides the nearest


def test_21_layers_are_answered_with_20_or_26() -> None:
    with pytest.raises(UsageError, match="21") as refusal:
        resolve("cifar-plain21")
    assert "20 or 26" in refusal.value.hint


@pytest.mark.parametrize("name", variants())
def test_the_smallest_image_is_the_one_the_error_names(name: str) -> None:
    smallest = family_of(resolve(name)).smallest_side(resolve(name))
    assert resolve(name, image=(smallest, smallest)).image == (smallest, smallest)
    with pytest.raises(UsageError) as refusal:
        resolve(name, image=(smallest, smallest - 1))
    assert f"{smallest}x{smallest}" in refusal.value.hint


def test_parameters_out_of_range_are_refused() -> None:
    for bad in ({"classes": 0}, {"classes": -1}, {"in_channels": 0}, {"image": (0, 224)}):
        with pytest.raises(UsageError):
            resolve("resnet50", **bad)
    for width in (0.0, -1.0, 0.3, float("nan"), float("inf"), 65.0):
        with pytest.raises(UsageError):
            resolve("resnet50", width=width)


@pytest.mark.parametrize("name", ["resnet50", "resnext50_32x4d", "vgg16", "cifar-resnet20"])
def test_the_width_that_the_error_offers_is_taken(name: str) -> None:
    with pytest.raises(UsageError) as refusal:
        resolve(name, width=0.3)
    unit = int(refusal.value.hint.split("1/")[1].split()[0])
    narrow = resolve(name, width=1 / unit)
    assert all(stage.inner % narrow.groups == 0 for stage in narrow.stages)
    assert all(stage.outer >= 1 for stage in narrow.stages)


@given(st.integers(1, 65_536), st.integers(1, 65_536))
def test_an_image_is_read_as_height_and_width(height: int, width: int) -> None:
    assert parse_image(f"{height}x{width}") == (height, width)
    assert parse_image(f"{height}") == (height, height)


@pytest.mark.parametrize("text", ["", "x", "224x", "1x2x3", "-224", "2.5", "1e3", "99999999999"])
def test_what_is_no_image_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_image(text)


def test_titles_tell_namesakes_apart() -> None:
    titles = {describe(resolve(name)) for name in variants()}
    assert len(titles) == len(variants())
    assert "v1 " in describe(resolve("resnet50"))
    assert "v1.5" in describe(resolve("resnet50-v1.5"))
