"""Which prices of others a keeper pushes with its own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from seawall.keeper.keeper import SignedBatch
from seawall.keeper.post import agreeing
from seawall.page.typed_data import PriceBatch, feed_domain, sign

NOW = 1_700_000_000
PRICES = (1_000_000, 50, 7)
DOMAIN = feed_domain(chain_id=1, feed="0x" + "22" * 20)
KEYS = [n.to_bytes(32, "big") for n in range(1, 4)]
SIGNERS = [str(Account.from_key(key).address) for key in KEYS]


def signed(index: int, batch: PriceBatch) -> SignedBatch:
    return SignedBatch(signer=SIGNERS[index], batch=batch, signature=sign(batch.digest(DOMAIN), KEYS[index]))


numbers = st.one_of(st.integers(-2, 2), st.sampled_from([2**40, 2**64 - 1, 2**64, 10**400]))
ages, shares = st.integers(0, 60), st.floats(0.98, 1.02)
FIELDS = {
    "observed_at": st.one_of(st.integers(NOW - 70, NOW + 70), numbers),
    "packed_underlyings": numbers,
    "prices": st.one_of(
        st.lists(numbers, max_size=5).map(tuple),
        st.tuples(st.sampled_from([0, 900_000, 969_999, 1_030_001, 10**9]), st.just(50), st.just(7)),
    ),
    "signer": st.sampled_from(SIGNERS[:2]),
    "signature": st.one_of(st.binary(max_size=70), st.just(bytes(64) + b"\x1b")),
}


@pytest.mark.parametrize("name", FIELDS)
@given(data=st.data(), late=st.tuples(ages, ages), off=st.tuples(shares, shares), place=st.integers(0, 2))
def test_INV_27_one_that_lies_keeps_no_prices_of_the_others_from_the_feed(
    name: str, data: st.DataObject, late: tuple[int, int], off: tuple[float, float], place: int
) -> None:
    """It may publish anything, and sign it; the feed would refuse, or skip, all of a push that holds it."""
    lied = {name: data.draw(FIELDS[name])}
    packed = 0x020100

    def batch(i: int) -> PriceBatch:
        prices = (round(PRICES[0] * off[i]), *PRICES[1:])
        return PriceBatch(observed_at=NOW - late[i], packed_underlyings=packed, prices=prices)

    honest = [signed(i, batch(i)) for i in range(2)]
    own = signed(2, PriceBatch(observed_at=NOW - 60, packed_underlyings=packed, prices=PRICES))
    false = {name: value for name, value in lied.items() if name not in {"signer", "signature"}}
    try:
        liar = signed(2, replace(own.batch, **false))  # type: ignore[arg-type]
    except Exception:  # what does not fit cannot be signed
        liar = replace(own, batch=replace(own.batch, **false))  # type: ignore[arg-type]
    liar = replace(liar, **{name: lied[name] for name in lied if name not in false})  # type: ignore[arg-type]
    found = agreeing([*honest[:place], liar, *honest[place:]], own, domain=DOMAIN, now=NOW)
    assert [one for one in found if one is not liar] == sorted(honest, key=lambda one: -one.batch.observed_at)
    if liar in found:
        assert (liar.signer, liar.batch.packed_underlyings) == (SIGNERS[2], packed)
        assert NOW - 60 <= liar.batch.observed_at <= NOW
        assert all(0.97 * p <= q <= 1.03 * p for p, q in zip(PRICES, liar.batch.prices, strict=True))
