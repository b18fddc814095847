"""Everything else that can be called: donations, operators, venues, replays, extreme numbers, wind-down."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.attacks.moves import ATTACKER, BORROWER, KEEPER, MAKER, tick, wealth
from tests.support.evm import Revert
from tests.support.market import SPOT
from tests.support.system import GOVERNOR, TOKEN, System, account_id

from seawall.page import manifest_domain, pack_signatures, sign

HOUR_S = 3_600
SECP256K1_N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.fixture(scope="module")
def deployed() -> System:
    return System.deploy(instruments=2)


# Donations


def test_gifts_to_vault_and_fund_change_no_account_and_no_price(system: System, maker: bytes) -> None:
    account = system.open(BORROWER, 1_500)
    system.trade(account, maker, lots=100)
    system.endow_fund(100)
    before = (system.equity(account), system.cash(account), system.vault.exitHaircutWad())
    system.token.mint(ATTACKER, 10**6 * TOKEN)
    for target in (system.vault, system.fund):
        system.token.transfer(target, 10**5 * TOKEN, sender=ATTACKER)
    assert (system.equity(account), system.cash(account), system.vault.exitHaircutWad()) == before
    with pytest.raises(Revert):
        system.vault.withdraw(account_id(ATTACKER), 1, ATTACKER, sender=ATTACKER)


def test_a_gift_before_the_first_deposit_of_the_fund_costs_more_than_it_takes(system: System) -> None:
    system.token.mint(ATTACKER, 10**6 * TOKEN)
    system.token.approve(system.fund, 1, sender=ATTACKER)
    own = system.fund.deposit(1, ATTACKER, sender=ATTACKER)
    system.token.transfer(system.fund, 1_000 * TOKEN, sender=ATTACKER)
    system.endow_fund(100)
    stolen = system.fund.previewRedeem(own) - 1
    assert stolen < 1_000 * TOKEN  # it gave more than it could ever have back
    assert system.fund.previewRedeem(system.fund.totalSupply() - own) >= 99 * TOKEN


# Operators and venues


def test_an_operator_takes_cash_nowhere_but_to_the_owner_and_appoints_nobody(system: System) -> None:
    account = system.open(BORROWER, 100)
    system.vault.setOperator(account, KEEPER, True, sender=BORROWER)
    for call in (
        lambda: system.vault.withdraw(account, TOKEN, KEEPER, sender=KEEPER),
        lambda: system.vault.setOperator(account, ATTACKER, True, sender=KEEPER),
        lambda: system.vault.approveVenue(account, ATTACKER, True, sender=KEEPER),
    ):
        with pytest.raises(Revert, match="NotAuthorised"):
            call()
    system.vault.withdraw(account, TOKEN, BORROWER, sender=KEEPER)
    assert system.token.balanceOf(BORROWER) == TOKEN


def test_a_listed_venue_reaches_no_account_that_did_not_approve_it(system: System, maker: bytes) -> None:
    system.vault.listVenue(ATTACKER, True, sender=GOVERNOR)
    account = system.open(BORROWER, 10_000)
    with pytest.raises(Revert, match="VenueNotApproved"):
        system.trade(account, maker, lots=1, sender=ATTACKER)


def test_an_approved_venue_that_turns_takes_at_most_what_exceeds_the_initial_requirement(
    system: System, maker: bytes
) -> None:
    """A venue is trusted with free equity by its approval; below the requirement it can only reduce near the mark."""
    account = system.open(BORROWER, 1_500)
    system.trade(account, maker, lots=100)
    system.vault.listVenue(ATTACKER, True, sender=GOVERNOR)
    accomplice = system.open(ATTACKER, 50_000)
    for who, owner in ((account, BORROWER), (accomplice, ATTACKER)):
        system.vault.approveVenue(who, ATTACKER, True, sender=owner)
    with pytest.raises(Revert, match="InitialMargin"):
        system.trade(account, accomplice, lots=1, price=SPOT * 10, sender=ATTACKER)
    with pytest.raises(Revert, match=r"InitialMargin|ReduceRaisesRisk"):
        system.trade(account, accomplice, lots=-1, fees=(1_000 * TOKEN, 0), sender=ATTACKER)
    assert system.equity(account) == 1_500 * TOKEN


# Replays


def test_a_manifest_is_worth_nothing_twice_on_another_chain_or_for_another_contract(system: System) -> None:
    tick(system)
    manifest, payloads = system.manifest()
    for payload in payloads.values():
        system.oracle.stage(payload)
    for domain in (
        manifest_domain(chain_id=999, oracle=system.oracle.address),
        manifest_domain(chain_id=1, oracle=system.vault.address),
    ):
        digest = manifest.digest(domain)
        forged = pack_signatures(digest, [sign(digest, key.key) for key in system.keepers[:2]])
        with pytest.raises(Revert, match="NotSigner"):
            system.oracle.activate(manifest.as_tuple(), forged)
    good = system.signatures(manifest)
    for twice in (good[:65] * 2, good[65:] + good[:65], good[:65]):
        with pytest.raises(Revert, match=r"SignersUnsorted|TooFewSignatures"):
            system.oracle.activate(manifest.as_tuple(), twice)
    r, s, v = good[:32], int.from_bytes(good[32:64], "big"), good[64]
    flipped = r + (SECP256K1_N - s).to_bytes(32, "big") + bytes([55 - v])
    with pytest.raises(Revert, match="ECDSAInvalidSignatureS"):
        system.oracle.activate(manifest.as_tuple(), flipped + good[65:])
    system.oracle.activate(manifest.as_tuple(), good)
    with pytest.raises(Revert, match="EpochNotIncreasing"):
        system.oracle.activate(manifest.as_tuple(), good)


def test_a_cancelled_order_stays_cancelled_in_every_form(system: System) -> None:
    keys = {name: system.trader(name) for name in ("attacker", "victim")}
    victim, attacker = (system.open(keys[name], 10_000) for name in ("victim", "attacker"))
    order = system.order(victim, 10, SPOT)
    signature = system.sign_order(order, keys["victim"])
    system.order_venue.cancel(victim, order.nonce, sender=keys["victim"].address)
    for lots in (1, 10):
        against = system.order(attacker, -lots, SPOT)
        own = system.sign_order(against, keys["attacker"])
        for sides in (((order, signature), (against, own)), ((against, own), (order, signature))):
            (taker, by_taker), (maker, by_maker) = sides
            with pytest.raises(Revert, match="NonceSpent"):
                system.order_venue.fill(taker.as_tuple(), by_taker, maker.as_tuple(), by_maker, lots, (), ())
    changed = replace(order, nonce=order.nonce + 100)
    against = system.order(attacker, -10, SPOT)
    own = system.sign_order(against, keys["attacker"])
    with pytest.raises(Revert, match="BadSignature"):
        system.order_venue.fill(changed.as_tuple(), signature, against.as_tuple(), own, 10, (), ())


def test_a_batch_of_one_feed_is_worth_nothing_at_another_and_nothing_twice(system: System) -> None:
    system.evm.advance(12)
    arguments = system.feed.batches({0: SPOT})
    system.feed.contract.push(*arguments)
    with pytest.raises(Revert, match="BatchNotNewer"):
        system.feed.contract.push(*arguments)
    elsewhere = system.evm.deploy("IndependentPriceFeed", system.manager)
    with pytest.raises(Revert, match=r"TooFewSignatures|NotSigner"):
        elsewhere.push(*arguments)


# Extreme numbers


@pytest.mark.parametrize("lots", [(1 << 35) - 1, -(1 << 35) + 1, 1 << 62, -(1 << 63) + 1])
@pytest.mark.parametrize("price", [0, 1, SPOT, (1 << 64) - 1])
def test_no_size_or_price_wraps_into_free_margin(system: System, maker: bytes, lots: int, price: int) -> None:
    account = system.open(ATTACKER, 1_000)
    before = wealth(system, [account, maker])
    with pytest.raises(Revert):
        system.trade(account, maker, lots=lots, price=price)
    assert wealth(system, [account, maker]) == before


def test_a_withdrawal_of_anything_up_to_the_largest_number_takes_no_more_than_there_is(
    system: System,
) -> None:
    account = system.open(ATTACKER, 100)
    system.open(MAKER, 100)
    for value in (100 * TOKEN + 1, 1 << 103, (1 << 255), (1 << 256) - 1):
        with pytest.raises(Revert):
            system.vault.withdraw(account, value, ATTACKER, sender=ATTACKER)
    with pytest.raises(Revert):
        system.vault.requestWithdrawal(account, 1 << 128, sender=ATTACKER)
    assert system.cash(account) == 100 * TOKEN


# A book proof or certificate that is not one's own


def test_a_certificate_that_names_what_is_not_there_is_refused_and_never_helps(
    system: System, maker: bytes
) -> None:
    account = system.open(ATTACKER, 900)
    root_of_nothing = ((), 1, (1 << 8, 0), ())
    for certificate in (
        ((5 << 216 | 0 << 200 | 0 << 192,), 0, (), ()),  # no such atom
        ((5 << 216 | 0 << 200 | 9 << 192,), 0, (), ()),  # no such page
        root_of_nothing,
    ):
        with pytest.raises(Revert, match="BadCertificate"):
            system.trade(account, maker, lots=100, certificates=((certificate,), ()))


# Wind-down


def test_a_wind_down_pays_nobody_before_everybody_is_settled(system: System, maker: bytes) -> None:
    account = system.open(ATTACKER, 1_100)
    system.trade(account, maker, lots=100)
    idle = system.open(KEEPER, 50)
    system.advance(3 * 24 * HOUR_S, every=HOUR_S)
    system.vault.startWindDown()
    with pytest.raises(Revert, match="AccountsNotSettled"):
        system.vault.withdraw(idle, 1, KEEPER, sender=KEEPER)
    with pytest.raises(Revert, match="WindDownTooEarly"):
        system.vault.priceWindDown()
    with pytest.raises(Revert, match="WoundDown"):
        system.trade(account, maker, lots=-100)
    with pytest.raises(Revert, match="WoundDown"):
        system.vault.deposit(account, 1, sender=ATTACKER)
    # A spike at the end weighs no more than its seconds.
    system.advance(24 * HOUR_S - 100, every=100)
    system.move(0, SPOT * 2)
    system.evm.advance(101)
    system.vault.priceWindDown()
    assert system.vault.windDownPriceTicks(0) <= SPOT * 1_002 // 1_000
    for each in (account, maker):
        system.vault.settleWindDown(each)
    system.vault.settleWindDown(account)
    paid = system.vault.withdraw(account, system.cash(account), ATTACKER, sender=ATTACKER)
    assert paid <= 1_120 * TOKEN
