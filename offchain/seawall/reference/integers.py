"""Integer division as the contracts do it."""

__all__ = ["BPS", "WAD", "ceil_div", "div_towards_zero", "mul_div", "mul_div_up"]

BPS = 10_000
WAD = 10**18


def ceil_div(numerator: int, denominator: int) -> int:
    """Return ``ceil(numerator / denominator)``."""
    return -(-numerator // denominator)


def div_towards_zero(numerator: int, denominator: int) -> int:
    """Return the quotient without its fraction, as `sdiv`; zero for a zero denominator."""
    if denominator == 0:
        return 0
    quotient = abs(numerator) // abs(denominator)
    return quotient if (numerator < 0) == (denominator < 0) else -quotient


def mul_div(x: int, y: int, denominator: int) -> int:
    """Return ``floor(x y / denominator)``."""
    return x * y // denominator


def mul_div_up(x: int, y: int, denominator: int) -> int:
    """Return ``ceil(x y / denominator)``."""
    return ceil_div(x * y, denominator)
