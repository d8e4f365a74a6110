"""Every family learns: a small fixed batch is fitted until its loss is a tenth of what it was."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from resprof.model.networks import resolve
from resprof.networks.build import build

_IMAGES = 8
_CLASSES = 4


@pytest.mark.parametrize(
    ("name", "width", "side"),
    [
        ("resnet18", 0.125, 33),
        ("resnet50", 0.125, 33),
        ("resnet50-v1.5-A", 0.125, 33),
        ("plain18", 0.125, 33),
        ("cifar-resnet20", 0.5, 8),
        ("cifar-resnet20-C", 0.5, 8),
        ("cifar-plain20", 0.5, 8),
        ("vgg16", 0.125, 32),
        ("resnext50_32x4d", 0.25, 33),
        ("wide_resnet50_2", 0.125, 33),
    ],
)
def test_it_fits_a_small_batch(name: str, width: float, side: int) -> None:
    torch.manual_seed(0)
    model = build(resolve(name, width=width, classes=_CLASSES))
    x = torch.randn(_IMAGES, 3, side, side)
    labels = torch.arange(_IMAGES) % _CLASSES
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    first = last = float("inf")
    for step in range(300):
        loss = cross_entropy(model(x), labels)
        last = loss.item()
        first = last if step == 0 else first
        if last < first / 10:
            break
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    assert last < first / 10, f"{name}: {first} to {last}"
