"""A workload's text is what a user would type for it."""

from __future__ import annotations

import shlex

from hypothesis import given
from hypothesis import strategies as st

from resprof.model.recipe import Workload, infer


@given(st.floats(min_value=2**-10, max_value=16.0, allow_nan=False))
def test_the_width_reads_back_to_itself(width: float) -> None:
    recipe = infer(batch=1, image=(32, 32))
    workload = Workload(
        model="cifar-resnet8", classes=10, in_channels=3, width=width, recipe=recipe
    )
    words = shlex.split(workload.text)
    assert float(words[words.index("--width") + 1]) == width


def test_a_plain_width_is_written_plainly() -> None:
    recipe = infer(batch=1, image=(32, 32))
    workload = Workload(model="cifar-resnet8", classes=10, in_channels=3, width=1.0, recipe=recipe)
    assert "--width 1 " in workload.text
