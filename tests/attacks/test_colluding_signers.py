"""What a quorum that lies can do before anybody reacts: forged marks, ratchets, used-up epochs, forged losses."""

from __future__ import annotations

import pytest
from tests.attacks.moves import ANY_PRICE, ATTACKER, KEEPER, MAKER, MINUTE_S, WAD, forge, margin, start, tick
from tests.support.evm import Revert
from tests.support.market import SPOT
from tests.support.system import GOVERNOR, GUARDIAN, TOKEN, System, signer

from seawall.reference.certificate import certificate_words
from seawall.reference.liquidator import DELEVERAGE_S

HOUR_S = 60 * MINUTE_S


@pytest.fixture(scope="module")
def deployed() -> System:
    system = System.deploy(instruments=2)
    system.endow_fund(10_000)
    system.markets[0].atoms = [((0, 1), (1, -1))]
    system.publish()
    system.advance(HOUR_S)
    system.publish()
    system.push()
    return system


def spread(lots: int) -> tuple[object, ...]:
    return (certificate_words([(0, 0, lots)]), 0, (), ())


@pytest.fixture
def hedged(system: System) -> bytes:
    """200 lots long against 200 short, with 100 tokens: 20 of maintenance."""
    maker = system.open(MAKER, 1_000_000)
    account = system.open(ATTACKER, 400)
    for held in range(0, 200, 20):
        for slot, lots in ((0, 20), (1, -20)):
            system.trade(account, maker, lots=lots, slot=slot, certificates=((spread(held + 20 * slot),), ()))
    loss = system.equity(account) - 100 * TOKEN
    system.trade(account, maker, lots=1, fees=(loss, 0), certificates=((spread(200),), ()))
    system.trade(account, maker, lots=-1, certificates=((spread(200),), ()))
    tick(system)
    return account


@pytest.mark.parametrize("slot", [0, 1])
@pytest.mark.parametrize("bps", [201, -201, 900])
def test_no_perpetual_can_be_marked_beyond_the_basis(system: System, slot: int, bps: int) -> None:
    tick(system)
    with pytest.raises(Revert, match="BasisTooWide"):
        forge(system, {(0, slot): bps})
    forge(system, {(0, slot): 200 if bps > 0 else -200})


def test_a_forged_loss_is_not_paid_by_the_fund(system: System, hedged: bytes) -> None:
    """An account that truly fails by little is made insolvent by a young manifest, for whoever buys it to be paid."""
    forge(system, {(0, 1): 45})  # an honest move of the basis, which the baseline comes to know
    system.advance(HOUR_S)
    tick(system)
    forge(system, {(0, 1): 45})
    equity, _, maintenance = margin(system, hedged)
    assert 0 < equity < maintenance
    tick(system)
    forge(system, {(0, 0): -200, (0, 1): 200})
    start(system, hedged)
    assert margin(system, hedged)[0] < -500 * TOKEN
    assert margin(system, hedged, baseline=True)[0] > 0
    accomplice = system.open(ATTACKER, 50_000, index=1)
    fund = system.fund.totalAssets()
    for fraction in (WAD, WAD // 7, 1):
        with pytest.raises(Revert, match="LossUnproven"):
            system.liquidator.buy(
                hedged, accomplice, fraction, ANY_PRICE, (spread(200),), (), sender=ATTACKER
            )
    assert (system.fund.totalAssets(), system.vault.deficit()) == (fund, 0)
    # Once the forgery is gone the account is sold on its true equity, and needs nothing from anybody.
    tick(system)
    system.oracle.dropCurrent(sender=GUARDIAN)
    keeper = system.open(KEEPER, 50_000)
    system.liquidator.buy(hedged, keeper, WAD, ANY_PRICE, (spread(200),), (), sender=KEEPER)
    assert (system.fund.totalAssets(), system.vault.deficit()) == (fund, 0)
    assert system.equity(hedged) >= 0


def test_a_forged_loss_is_not_paid_by_closing_lots_against_others_either(system: System) -> None:
    """An account that nobody bought for hours owes nothing to anybody, until a young manifest says that it does."""
    account, maker = system.open(ATTACKER, 1_100), system.open(MAKER, 1_000_000)
    system.trade(account, maker, lots=100, slot=1)
    system.move(0, SPOT * 90 // 100)
    start(system, account)
    system.publish()
    system.advance(DELEVERAGE_S)
    forge(system, {(0, 1): -200}, legs={(0, 1): 0.0})
    equity, _, maintenance = margin(system, account)
    assert equity < 0 < margin(system, account, baseline=True)[0] - equity - maintenance
    fund = system.fund.totalAssets()
    for lots in (100, 1):
        with pytest.raises(Revert, match="LossUnproven"):
            system.liquidator.deleverage(account, maker, 0, 1, lots, ())
    assert (system.fund.totalAssets(), system.vault.deficit()) == (fund, 0)
    tick(system)
    system.oracle.dropCurrent(sender=GUARDIAN)
    system.liquidator.deleverage(account, maker, 0, 1, 100, ())
    assert (system.fund.totalAssets(), system.vault.deficit()) == (fund, 0)
    assert system.cash(account) > 0


def test_a_true_loss_is_sold_at_once(system: System) -> None:
    maker, account = system.open(MAKER, 1_000_000), system.open(ATTACKER, 1_500)
    system.trade(account, maker, lots=100)
    tick(system)
    system.move(0, SPOT * 84 // 100)
    start(system, account)
    keeper = system.open(KEEPER, 50_000)
    system.liquidator.buy(account, keeper, WAD, ANY_PRICE, (), (), sender=KEEPER)
    assert system.lots(account) == 0
    assert system.vault.deficit() == 0


def test_INV_12_many_forged_manifests_within_the_grace_period_add_up_to_one(
    system: System, hedged: bytes
) -> None:
    equity = margin(system, hedged, baseline=True)[0]
    for _ in range(8):
        tick(system, 300)
        system.advance(12)
        forge(system, {(0, 0): -200, (0, 1): 200}, legs={(0, 1): 16.0})
        assert margin(system, hedged, baseline=True)[0] == equity
        with pytest.raises(Revert, match="AccountHealthy"):
            system.liquidator.start(hedged, ())


def test_a_quorum_cannot_use_up_the_epochs_of_its_successors(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    for epoch in ((1 << 40) - 1, system.epoch + (1 << 20) + 1):
        manifest, payloads = system.manifest(as_of=system.evm.timestamp, epoch=epoch)
        for payload in payloads.values():
            system.oracle.stage(payload)
        with pytest.raises(Revert, match="EpochTooFar"):
            system.oracle.activate(manifest.as_tuple(), system.signatures(manifest))
    system.publish(epoch=system.epoch + (1 << 20))
    successors = sorted((signer(f"successor {i}") for i in range(3)), key=lambda key: int(key.address, 16))
    system.oracle.setSigners([key.address for key in successors], 2, sender=GOVERNOR)
    monkeypatch.setattr(system, "keepers", tuple(successors))
    tick(system)
    system.publish()


def test_a_forged_manifest_lowers_nobodys_requirement_for_an_hour(system: System, hedged: bytes) -> None:
    maker = system.open(MAKER, 0)
    tick(system)
    forge(system, {}, legs={(0, 1): 16.0})
    tick(system)
    poor = system.open(ATTACKER, 250, index=2)
    with pytest.raises(Revert, match="InitialMargin"):
        system.trade(poor, maker, lots=100, slot=1)  # 220 under the forgery, 1,000 in truth


def test_the_guardian_drops_a_forgery_and_can_do_nothing_with_funds(system: System, hedged: bytes) -> None:
    tick(system)
    forge(system, {(0, 1): 200})
    before = system.token.balanceOf(system.vault)
    system.oracle.dropCurrent(sender=GUARDIAN)
    with pytest.raises(Revert, match="NoBaseline"):
        system.oracle.dropCurrent(sender=GUARDIAN)
    for target, name, args in (
        (system.vault, "setLiquidator", (ATTACKER,)),
        (system.vault, "listVenue", (ATTACKER, True)),
        (system.vault, "unpauseTrading", ()),
        (system.oracle, "unpauseActivation", ()),
        (system.fund, "setCaps", (10_000, 10_000)),
        (system.oracle, "setSigners", ([ATTACKER], 1)),
    ):
        with pytest.raises(Revert, match="AccessManagedUnauthorized"):
            getattr(target, name)(*args, sender=GUARDIAN)
    for name, args in (("setLiquidator", (ATTACKER,)), ("setInsuranceFund", (ATTACKER,))):
        with pytest.raises(Revert, match="AlreadySet"):
            getattr(system.vault, name)(*args, sender=GOVERNOR)
    with pytest.raises(Revert, match="NotAuthorised"):
        system.vault.withdraw(hedged, 1, GOVERNOR, sender=GOVERNOR)
    with pytest.raises(Revert, match="NotVault"):
        system.fund.cover(1, sender=GOVERNOR)
    assert system.token.balanceOf(system.vault) == before


@pytest.mark.parametrize("direction", [1, -1])
def test_prices_swung_between_the_edges_of_the_band_make_no_account_insolvent(
    system: System, direction: int
) -> None:
    """Both sides opened at one edge with what they must have, then judged at the other: 6.19% against 10."""
    low, high = SPOT * 97 // 100, SPOT * 103 // 100
    first, last = (low, high) if direction > 0 else (high, low)
    system.evm.advance(12)
    system.feed.push({0: first}, anchors={0: SPOT})
    long, short = (system.open(ATTACKER, 1_040, index=i) for i in range(2))
    system.trade(long, short, lots=100, price=first)
    for edge in (last, first, last):
        system.evm.advance(12)
        system.feed.push({0: edge}, anchors={0: SPOT})
        assert min(system.equity(long), system.equity(short)) >= 0
    system.liquidator.start(short if direction > 0 else long, ())
    assert system.vault.bookedLosses() == 0
