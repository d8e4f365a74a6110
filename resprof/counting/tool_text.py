"""How other tools write the totals that they report, each by its own rounding and suffixes."""

from __future__ import annotations


def fvcore(value: int) -> str:
    """As in its flop_count_table: three decimals without trailing zeros."""
    for over, step, suffix in (
        (10**14, 10**15, "P"),
        (10**11, 10**12, "T"),
        (10**8, 10**9, "G"),
        (10**5, 10**6, "M"),
        (10**2, 10**3, "K"),
    ):
        if value > over:
            return f"{value / step:.3f}".rstrip("0").rstrip(".") + suffix
    return str(value)


def torchinfo(value: int) -> str:
    """As in its summary, where the unit stands in the label: ``mult-adds (Units.GIGABYTES)``."""
    step, suffix = (10**6, "M")
    if value >= 10**9:
        step, suffix = (10**12, "T") if value >= 10**12 else (10**9, "G")
    return f"{value // step:,} {suffix}" if value % step == 0 else f"{value / step:,.2f} {suffix}"


def ptflops(value: int) -> str:
    """As with ``as_strings=True``."""
    for step, suffix in ((10**9, "GMac"), (10**6, "MMac"), (10**3, "KMac")):
        if value >= step:
            return f"{round(value / step, 2)} {suffix}"
    return f"{value} Mac"


def thop(value: int) -> str:
    """By its ``clever_format`` with the "%.3f" of its README."""
    for step, suffix in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "K")):
        if value > step:
            return f"{value / step:.3f}{suffix}"
    return f"{value:.3f}B"


def flop_counter(value: int) -> str:
    """As in its table; the suffix follows the number of digits, B is 10^9."""
    power = max(0, min(4, (len(str(value)) - 2) // 3))
    return f"{value / 1000**power:.3f}{'KMBT'[power - 1]}" if power else str(value)
