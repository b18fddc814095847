"""Nonces of signed orders against a plain model, in any order of fills and cancellations."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from tests.differential.test_venue_orders import BUYER, SELLER, bid, fill, position
from tests.support.evm import Revert
from tests.support.market import SPOT
from tests.support.system import System, account_id

from seawall.page import Order

LAST = 2**64 - 1
NONCES = (0, 1, 126, 127, 128, 129, 255, 256, LAST - 128, LAST - 127, LAST - 1, LAST)
SIZES = (3, 5)


@dataclass
class Nonces:
    """What the specification of the venue says of one account."""

    filled: dict[tuple[int, int], int] = field(default_factory=dict)
    spent: set[int] = field(default_factory=set)
    least: int = 0

    def refuses(self, nonce: int, size: int, lots: int) -> str | None:
        if nonce in self.spent or nonce < self.least:
            return "NonceSpent"
        return "OrderOverfilled" if self.filled.get((nonce, size), 0) + lots > size else None

    def fill(self, nonce: int, size: int, lots: int) -> None:
        done = self.filled.get((nonce, size), 0) + lots
        self.filled[nonce, size] = done
        if done == size:
            self.spent.add(nonce)


@pytest.fixture(scope="module")
def deployed() -> System:
    system = System.deploy(instruments=2)
    system.open(BUYER, 10_000)
    system.open(SELLER, 10_000)
    return system


def order_of(system: System, side: int, nonce: int, size: int) -> Order:
    """Return the only order of this side, nonce and size."""
    account = account_id((BUYER, SELLER)[side].address)
    return replace(
        bid(system), account=account, lots=size if side == 0 else -size, price_ticks=SPOT, nonce=nonce
    )


@st.composite
def steps(draw: st.DrawFn) -> list[tuple[object, ...]]:
    """Draw steps that meet at few nonces."""
    nonces = st.sampled_from(draw(st.lists(st.sampled_from(NONCES), min_size=1, max_size=3, unique=True)))
    fills = st.tuples(nonces, st.sampled_from(SIZES), nonces, st.sampled_from(SIZES), st.integers(1, 3))
    ends = st.sampled_from((0, 1, 127, 128, LAST, LAST + 1, LAST + 2, 2**256 - 1))
    cancels = st.tuples(st.just("cancel"), st.integers(0, 1), nonces)
    raises = st.tuples(st.just("below"), st.integers(0, 1), ends)
    return draw(st.lists(st.one_of(fills, fills, fills, fills, cancels, raises), min_size=6, max_size=24))


@given(steps())
def test_nonces_of_both_sides_follow_the_model(deployed: System, drawn: list[tuple[object, ...]]) -> None:
    with deployed.isolated() as system:
        venue, keys = system.order_venue, (BUYER, SELLER)
        models, held = (Nonces(), Nonces()), 0
        for step in drawn:
            if step[0] in ("cancel", "below"):
                act, side, nonce = step
                assert isinstance(side, int)
                assert isinstance(nonce, int)
                model, account = models[side], account_id(keys[side].address)
                if act == "cancel":
                    venue.cancel(account, nonce, sender=keys[side].address)
                    model.spent.add(nonce)
                elif min(nonce, LAST + 1) > model.least:
                    venue.cancelBelow(account, nonce, sender=keys[side].address)
                    model.least = min(nonce, LAST + 1)
                else:
                    with pytest.raises(Revert, match="NonceNotRaised"):
                        venue.cancelBelow(account, nonce, sender=keys[side].address)
                continue
            bought, buy_size, sold, sell_size, lots = (int(str(part)) for part in step)
            orders = order_of(system, 0, bought, buy_size), order_of(system, 1, sold, sell_size)
            parts = (models[0], bought, buy_size), (models[1], sold, sell_size)
            refused = next((why for m, nonce, size in parts if (why := m.refuses(nonce, size, lots))), None)
            event(refused or "filled")
            if refused:
                with pytest.raises(Revert, match=refused):
                    fill(system, *orders, lots)
                continue
            fill(system, *orders, lots)
            held += lots
            for model, nonce, size in parts:
                model.fill(nonce, size, lots)
        assert position(system, BUYER) == held == -position(system, SELLER)
        for side, model in enumerate(models):
            account = account_id(keys[side].address)
            assert venue.leastNonce(account) == model.least
            for nonce in NONCES:
                assert venue.nonceSpent(account, nonce) == (nonce in model.spent or nonce < model.least), (
                    nonce
                )
