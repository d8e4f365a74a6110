"""The arithmetic of the reconciliation; tests/oracles holds it against the tools themselves."""

from __future__ import annotations

import pytest

from resprof.counting.cost import count
from resprof.counting.reconcile import (
    MOST_IN_DOUBLE,
    TORCHVISION,
    ToolFigure,
    reconcile,
    torchvision_sibling,
)
from resprof.model.architecture import Architecture
from resprof.model.networks import resolve, variants

_IDS = [name for name in variants() if "1202" not in name]


def figures_of(architecture: Architecture) -> dict[str, ToolFigure]:
    return {figure.tool: figure for figure in reconcile(count(architecture))}


def terms_of(figure: ToolFigure) -> dict[str, int]:
    return {term.name: term.amount for term in figure.terms}


@pytest.mark.parametrize("name", _IDS)
def test_a_figure_is_our_macs_and_its_terms_or_says_why_there_is_none(name: str) -> None:
    cost = count(resolve(name))
    for figure in reconcile(cost):
        amounts = [term.amount for term in figure.terms]
        assert 0 not in amounts
        if figure.value is None:
            assert figure.reason
            assert (figure.printed, amounts) == (None, [])
        else:
            assert figure.reason is None
            assert figure.printed
            assert figure.value == figure.per_mac * cost.total.macs + sum(amounts)


def test_every_network_gets_the_same_tools_in_the_same_order() -> None:
    tools = {tuple(figure.tool for figure in reconcile(count(resolve(name)))) for name in _IDS}
    assert len(tools) == 1


def test_v1_and_torchvision_differ_by_the_position_of_the_stride_and_by_rounding() -> None:
    v1, v15 = resolve("resnet50"), resolve("resnet50-v1.5")
    terms = terms_of(figures_of(v1)["torchvision metadata"])
    assert list(terms) == ["stride position", "rounding"]
    assert terms["stride position"] == count(v15).total.macs - count(v1).total.macs
    assert terms["rounding"] == terms_of(figures_of(v15)["torchvision metadata"])["rounding"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet18", ["rounding"]),
        ("resnet18-A", ["shortcut projections", "rounding"]),
        ("resnet50-v1.5-C", ["shortcut projections", "rounding"]),
        ("resnet50-A", ["stride position", "shortcut projections", "rounding"]),
        ("vgg16", ["rounding"]),
    ],
)
def test_each_option_that_torchvision_chose_otherwise_is_a_term(
    name: str, expected: list[str]
) -> None:
    assert list(terms_of(figures_of(resolve(name))["torchvision metadata"])) == expected


def test_option_c_projects_more_than_torchvision_and_option_a_less() -> None:
    a, c = (
        terms_of(figures_of(resolve(name))["torchvision metadata"])["shortcut projections"]
        for name in ("resnet34-A", "resnet34-C")
    )
    assert a > 0 > c


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_states_our_macs_rounded_to_three_decimals(name: str) -> None:
    cost = count(resolve(name))
    figure = figures_of(cost.architecture)["torchvision metadata"]
    assert figure.value is not None
    assert abs(figure.value - cost.total.macs) <= 500_000
    assert figure.printed == TORCHVISION[name].gflops
    assert cost.total.params == TORCHVISION[name].params


@pytest.mark.parametrize(
    ("name", "own", "sibling"),
    [
        ("resnet50", None, "resnet50-v1.5"),
        ("resnet50-v1.5", "resnet50", None),
        ("resnet152-C", None, "resnet152-v1.5"),
        ("resnet18", "resnet18", None),
        ("resnet34-A", None, "resnet34"),
        ("plain18", None, None),
        ("cifar-resnet20", None, None),
        ("vgg19", "vgg19", None),
        ("resnext101_64x4d", "resnext101_64x4d", None),
    ],
)
def test_names_and_siblings_in_torchvision(name: str, own: str | None, sibling: str | None) -> None:
    architecture = resolve(name)
    stated = TORCHVISION.get(architecture.id)
    assert (stated and stated.name) == own
    assert torchvision_sibling(architecture) == sibling


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [
        (resolve("plain34"), "no network"),
        (resolve("cifar-resnet20"), "no network"),
        (resolve("resnet18", width=2.0), "no network"),
        (resolve("resnet18", in_channels=1), "no network"),
        (resolve("resnet18", classes=10), "1000 classes"),
        (resolve("resnet50", image=(256, 256)), "224x224"),
    ],
)
def test_torchvision_says_nothing_about_networks_that_it_lacks(
    architecture: Architecture, reason: str
) -> None:
    figure = figures_of(architecture)["torchvision metadata"]
    assert figure.value is None
    assert reason in str(figure.reason)


def test_tools_that_sum_in_double_precision_have_no_figure_beyond_it() -> None:
    huge = figures_of(resolve("resnet50", image=(65_536, 65_536), width=8.0))
    assert huge["fvcore"].value is not None
    assert huge["fvcore"].value > MOST_IN_DOUBLE
    for tool in ("thop", "ptflops (pytorch)"):
        assert huge[tool].value is None
        assert "double precision" in str(huge[tool].reason)


def test_a_network_without_batch_norm_has_no_batch_norm_terms() -> None:
    names = {term.name for figure in reconcile(count(resolve("vgg16"))) for term in figure.terms}
    assert names == {"rounding", "average pool", "biases", "ReLU", "pools"}
