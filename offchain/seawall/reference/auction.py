"""Premium of an auction and who bears it: section 5 of the specification."""

from seawall.reference.integers import WAD, ceil_div, mul_div, mul_div_up

__all__ = [
    "KNEE_S",
    "PREMIUM_MAX_S",
    "PREMIUM_MAX_WAD",
    "PREMIUM_START_WAD",
    "TARGET_HEALTH_WAD",
    "bearers",
    "largest_fraction_wad",
    "lots_moved",
    "premium_factor_wad",
    "split",
]

PREMIUM_START_WAD = 2 * WAD // 100
PREMIUM_KNEE_WAD = 20 * WAD // 100
PREMIUM_MAX_WAD = 90 * WAD // 100
PREMIUM_GROWTH_WAD = 20 * WAD // 100
KNEE_S = 20 * 60
PREMIUM_MAX_S = 230 * 60
TARGET_HEALTH_WAD = 120 * WAD // 100


def premium_factor_wad(live_seconds: int) -> int:
    """Return ``k(t) = 0.02 + 0.18 min(t, 20 min) / 20 min``, then 0.2 an hour more, at most 0.9; rounded down."""
    if live_seconds < KNEE_S:
        return PREMIUM_START_WAD + (PREMIUM_KNEE_WAD - PREMIUM_START_WAD) * live_seconds // KNEE_S
    grown = PREMIUM_KNEE_WAD + PREMIUM_GROWTH_WAD * (live_seconds - KNEE_S) // 3600
    return min(grown, PREMIUM_MAX_WAD)


def largest_fraction_wad(equity: int, maintenance: int, k_wad: int) -> int:
    """Return ``f* = ceil((T M - E) / ((T - k) M))`` if ``E >= k M``, else all."""
    if equity <= 0 or equity * WAD < k_wad * maintenance:
        return WAD
    missing = TARGET_HEALTH_WAD * maintenance - equity * WAD
    return mul_div_up(missing, WAD, (TARGET_HEALTH_WAD - k_wad) * maintenance)


def bearers(equity: int, maintenance: int, k_wad: int) -> tuple[int, int]:
    """Return what account and fund bear of the whole book's premium.

    ``a = min(k M, max(E, 0))``, ``b = min(k M - a, (k - 0.02) M)``, each product rounded down.
    """
    whole = mul_div(k_wad, maintenance, WAD)
    a = min(whole, max(equity, 0))
    return a, min(whole - a, mul_div(k_wad - PREMIUM_START_WAD, maintenance, WAD))


def split(
    *,
    equity: int,
    maintenance: int,
    k_wad: int,
    fraction_wad: int,
    maintenance_after: int,
    fund_pays: bool = True,
) -> tuple[int, int]:
    """Return the premium of a slice and what the account bears of it; negative if a hole is filled.

    With ``R = min(floor(f M), M - M')``, the maintenance that the slice removes: the premium is
    ``floor((a + b) R / M)``, the account bears ``floor(a R / M)``, or is given ``ceil(-E R / M)``. R adds up
    over slices, so that neither slicing nor the rounding of lots earns more than k times what is removed.
    """
    a, b = bearers(equity, maintenance, k_wad)
    part, whole = (
        min(mul_div(fraction_wad, maintenance, WAD), max(maintenance - maintenance_after, 0)),
        maintenance,
    )
    if maintenance == 0:
        part, whole = fraction_wad, WAD
    premium = mul_div(a + b, part, whole)
    if not fund_pays:
        return premium, premium
    return premium, -mul_div_up(-equity, part, whole) if equity < 0 else mul_div(a, part, whole)


def lots_moved(lots: int, fraction_wad: int) -> int:
    """Return ``ceil(f |q|)`` with the sign of q."""
    moved = ceil_div(abs(lots) * fraction_wad, WAD)
    return moved if lots >= 0 else -moved
