"""lengths: few, long enough, and never much too long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lmpower.numerics.lengths import grown, rounded_up


@given(st.integers(1, 10**9))
def test_of_many_no_more_than_a_quarter_is_filling(least):
    length = rounded_up(least)
    assert least <= length <= max(1.25 * least, least + 127)
    assert rounded_up(length) == length


def test_four_lengths_to_a_power_of_two():
    lengths = [128, 256, 384, 512, 640, 768, 896, 1024, 1280, 1536]
    assert sorted({rounded_up(least) for least in range(1, 1537)}) == lengths


@given(st.integers(1, 10**9), st.integers(1, 512), st.integers(2, 8))
def test_lengths_grow_by_a_factor(least, multiple, growth):
    length = grown(least, multiple, growth)
    assert length >= least
    assert length == multiple or length < growth * least
    while length > multiple:
        assert length % growth == 0
        length //= growth
    assert length == multiple
