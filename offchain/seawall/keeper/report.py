"""What a keeper shows an operator of its numbers."""

from __future__ import annotations

from typing import Any

from seawall.keeper.compute import Computed
from seawall.keeper.view import ChainView

__all__ = ["numbers_of"]


def numbers_of(view: ChainView, computed: Computed) -> dict[str, Any]:
    """Return what a dry run says of a keeper's numbers."""
    ratios = {
        f"{u.symbol} initial margin, long / short": f"{long:.2%} / {short:.2%}"
        for u, long, short in zip(
            view.underlyings, computed.posted.long_es, computed.posted.short_es, strict=True
        )
    }
    return {
        "epoch in force": view.epoch,
        "as of": computed.as_of,
        "scenarios": len(computed.risk.scenarios.weights),
        "lambda": computed.posted.lambda_bps / 10_000,
        "least L / ES of live books": computed.risk.live.minimum,
        **_implied(view, computed),
        **_surfaces(view, computed),
        **_hedges(computed),
        **ratios,
    }


def _hedges(computed: Computed) -> dict[str, str]:
    """Return what was taken of the hedges selected before, where there is a file of them."""
    use = computed.hedges
    if use is None:
        return {}
    dropped, uncovered = f"{use.dropped} dropped", f"{use.uncovered} instruments in none"
    return {
        "selected hedges": f"{len(use.hedges)} used, {dropped}, {uncovered}, {computed.as_of - use.as_of} s old"
    }


def _surfaces(view: ChainView, computed: Computed) -> dict[str, str]:
    """Return by underlying what its surface was fitted to, where there is a source of option quotes."""
    if computed.surfaces is None:
        return {}
    use = computed.surfaces
    return {
        f"{underlying.symbol} surface": "; ".join(
            said for said in ("" if fit is None else fit.summary(), note) if said
        )
        for underlying, fit, note in zip(view.underlyings, use.fits, use.notes, strict=True)
    }


def _implied(view: ChainView, computed: Computed) -> dict[str, str]:
    """Return by underlying what its surface goes through."""
    if computed.implied is None:
        return {"implied volatility": "none is read, the model's own stands"}
    shown = {}
    for underlying, quote in zip(view.underlyings, computed.implied.quotes, strict=True):
        bounded = (
            ", held at the limit to the model's own" if underlying.symbol in computed.implied.bounded else ""
        )
        said = "none young enough, the model's own stands" if quote is None else f"{quote.level:.1%}{bounded}"
        shown[f"{underlying.symbol} implied volatility"] = said
    return shown
