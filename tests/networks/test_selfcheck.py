"""A torch that works otherwise is found out and said."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from resprof.memory import trace as raw
from resprof.networks import recorder
from resprof.networks import recorder as kernels
from resprof.networks import tracer as selfcheck
from resprof.networks.recorder import UnknownTorch


@pytest.fixture(autouse=True)
def unchecked() -> Iterator[None]:
    selfcheck.check_torch.cache_clear()
    yield
    selfcheck.check_torch.cache_clear()


def test_the_torch_that_is_installed_is_known() -> None:
    selfcheck.check_torch()


def _refused() -> str:
    with pytest.raises(UnknownTorch) as raised:
        selfcheck.check_torch()
    assert torch.__version__ in raised.value.message
    assert raised.value.hint
    assert "\n" not in raised.value.message + raised.value.hint
    return raised.value.message


def test_statistics_of_another_type_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def doubled(call: kernels.Call) -> tuple[torch.Tensor, ...]:
        result, mean, deviation = call.fake()
        return result, mean.double(), deviation.double()

    monkeypatch.setitem(kernels._KERNELS, torch.ops.aten.native_batch_norm.default, doubled)
    assert "kept for backward" in _refused()


def test_sums_in_another_place_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw.Ledger, "move_if_gone", lambda *_: None)
    assert "added in place" in _refused()


def test_a_missing_internal_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch._C, "_current_autograd_node")
    assert "_current_autograd_node" in _refused()


def test_nodes_without_modules_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(self: recorder.Recorder) -> str:
        return ""

    monkeypatch.setattr(recorder.Recorder, "_where", nowhere)
    assert "whose backward" in _refused()
