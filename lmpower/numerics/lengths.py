"""Few lengths for arrays whose size varies from call to call: a program is compiled for each length."""

from __future__ import annotations


def grown(least: int, multiple: int, growth: int = 4) -> int:
    """``multiple`` times 1, or ``growth``, or its square, ...: the first that is not below ``least``."""
    length = multiple
    while length < least:
        length *= growth
    return length


def rounded_up(least: int) -> int:
    """The first that is not below ``least`` of 128, 256, 384, 512, 640, 768, 896, 1024, 1280, ...

    From 512 on four to a power of two, so that of many no more than a quarter is filling.
    """
    step = 1 << max((least - 1).bit_length() - 3, 7)
    return -(-least // step) * step
