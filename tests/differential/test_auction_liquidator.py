"""Auctions of real accounts in the whole system: who may start, buy and end one, and what each attack earns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from eth_utils.crypto import keccak
from tests.support.evm import Revert, artifact, role
from tests.support.market import perpetual
from tests.support.system import EMPTY, GUARDIAN, TOKEN, System, account_id

from seawall.reference.certificate import certificate_words

WAD = 10**18
ANY_PRICE = 1 << 200
MINUTE_S = 60
GAP_S = 400  # longer than the largest allowed age of a price
BORROWER, MAKER, BUYER, ATTACKER = map(role, ("borrower", "maker", "buyer", "attacker"))


@pytest.fixture(scope="module")
def deployed() -> System:
    system = System.deploy(underlyings=2, instruments=3)
    system.endow_fund(1_000)
    return system


@pytest.fixture
def system(deployed: System) -> Iterator[System]:
    with deployed.isolated() as isolated:
        yield isolated


@pytest.fixture
def maker(system: System) -> bytes:
    return system.open(MAKER, 1_000_000)


@pytest.fixture
def buyer(system: System) -> bytes:
    return system.open(BUYER, 100_000)


@pytest.fixture
def borrower(system: System, maker: bytes) -> bytes:
    """An account 100 lots long with 1,500 tokens; a lot costs 100."""
    account = system.open(BORROWER, 1_500)
    system.trade(account, maker, lots=100)
    system.evm.advance(1)
    return account


def crash(system: System, tokens: float, underlying: int = 0) -> None:
    """Let a lot fall by so many tokens."""
    system.move(underlying, system.spots[underlying] - round(tokens * 10_000))


def start(system: System, account: bytes) -> None:
    system.evm.advance(1)
    system.push()
    system.liquidator.start(account, ())


def buy(
    system: System,
    account: bytes,
    buyer: bytes,
    fraction: int = WAD,
    limit: int = ANY_PRICE,
    sender: str | None = None,
) -> tuple[int, int]:
    return tuple(
        system.liquidator.buy(account, buyer, fraction, limit, (), (), sender=sender or system.owner(buyer))
    )


def wealth(system: System, accounts: Sequence[bytes]) -> int:
    """Return what all accounts and the fund own, less what the deficit owes."""
    return int(sum(map(system.equity, accounts)) + system.fund.totalAssets() - system.vault.deficit())


def has_auction(system: System, account: bytes) -> bool:
    return bool(system.vault.accountWord(account) >> 96 & 1)


# Start


def test_start__when_healthy__reverts(system: System, borrower: bytes) -> None:
    with pytest.raises(Revert, match="AccountHealthy"):
        system.liquidator.start(borrower, ())


def test_INV_18_start__when_below_maintenance__marks_the_account_once(
    system: System, borrower: bytes
) -> None:
    crash(system, 8)
    start(system, borrower)
    assert has_auction(system, borrower)
    assert system.liquidator.auction(borrower) == (True, system.feed.contract.liveSeconds(), False)
    with pytest.raises(Revert, match="InAuction"):
        system.liquidator.start(borrower, ())


def test_INV_18_start__right_after_a_gap__waits_five_minutes(system: System, borrower: bytes) -> None:
    system.evm.advance(GAP_S)
    crash(system, 8)
    back = system.evm.timestamp
    with pytest.raises(Revert, match=r"PriceGapTooRecent.*" + str(back)):
        system.liquidator.start(borrower, ())
    system.advance(5 * MINUTE_S - 1, every=60)
    with pytest.raises(Revert, match="PriceGapTooRecent"):
        system.liquidator.start(borrower, ())
    system.advance(1)
    system.liquidator.start(borrower, ())


def test_INV_18_start__without_any_price__reverts(system: System, borrower: bytes) -> None:
    crash(system, 8)
    system.evm.advance(121)
    with pytest.raises(Revert, match="PriceStale"):
        system.liquidator.start(borrower, ())


@pytest.mark.parametrize("dead", [0, 1])
def test_INV_18_start__after_a_gap_of_any_underlying__waits_five_minutes(
    system: System, crossed: bytes, dead: int
) -> None:
    system.advance(GAP_S, dead=[dead])
    crash(system, 30)
    with pytest.raises(Revert, match=r"PriceGapTooRecent.*" + str(system.evm.timestamp)):
        system.liquidator.start(crossed, ())
    system.advance(5 * MINUTE_S)
    system.liquidator.start(crossed, ())


def test_INV_18_start__at_the_requirement_itself__reverts(system: System, borrower: bytes) -> None:
    crash(system, 8)
    equity, maintenance, *_ = system.vault.health(borrower)
    system.deposit(borrower, maintenance - equity - 1)
    with system.isolated():
        system.deposit(borrower, 1)
        with pytest.raises(Revert, match="AccountHealthy"):
            system.liquidator.start(borrower, ())
    system.liquidator.start(borrower, ())


def test_INV_18_start__when_only_a_young_manifest_is_failed__waits_until_it_is_the_baseline(
    system: System, maker: bytes
) -> None:
    account = system.open(BORROWER, 1_050)
    system.trade(account, maker, lots=100)
    system.markets[0].risk_scale = 1.4  # 14 a lot in place of 10: 1,120 of maintenance in place of 800
    system.advance(MINUTE_S)
    system.publish()
    margin = system.vault.margin(account, EMPTY, False)
    assert margin.equity < margin.maintenance
    with pytest.raises(Revert, match="AccountHealthy"):
        system.liquidator.start(account, ())
    system.advance(60 * MINUTE_S - 2)
    with pytest.raises(Revert, match="AccountHealthy"):
        system.liquidator.start(account, ())
    system.advance(2)
    system.liquidator.start(account, ())


def test_INV_17_without_keepers_accounts_that_fail_are_sold_and_no_others(
    system: System, borrower: bytes, maker: bytes, buyer: bytes
) -> None:
    thin = system.open(ATTACKER, 1_050)
    system.trade(thin, maker, lots=100)
    system.advance(12 * 60 * MINUTE_S, every=119)
    for account in (borrower, thin):
        with pytest.raises(Revert, match="AccountHealthy"):
            system.liquidator.start(account, ())
    crash(system, 8)
    start(system, borrower)
    fraction, _ = buy(system, borrower, buyer)
    assert 0 < fraction < WAD
    assert not has_auction(system, borrower)


def test_start__in_the_block_of_a_trade__reverts(system: System, borrower: bytes, maker: bytes) -> None:
    system.deposit(borrower, 500 * TOKEN)
    system.push()
    system.trade(borrower, maker, lots=1)
    block = system.evm.number
    for market in system.markets.values():
        market.spot = market.spot * 85 // 100
    system.evm.timestamp += 1
    system.push()
    assert system.evm.number == block
    with pytest.raises(Revert, match="CheckedThisBlock"):
        system.liquidator.start(borrower, ())
    system.evm.advance(1)
    system.liquidator.start(borrower, ())


def test_start__when_insolvent__books_the_loss_at_once(system: System, borrower: bytes) -> None:
    crash(system, 16)
    start(system, borrower)
    assert system.vault.bookedLosses() == 100 * TOKEN
    assert system.fund.maxRedeem(role("underwriter")) == 0


def test_book__as_prices_move__follows_the_loss(system: System, borrower: bytes) -> None:
    crash(system, 16)
    start(system, borrower)
    crash(system, 1)
    assert system.vault.bookedLosses() == 100 * TOKEN
    system.liquidator.book(borrower)
    assert system.vault.bookedLosses() == 200 * TOKEN
    crash(system, -3)
    system.liquidator.book(borrower)
    assert system.vault.bookedLosses() == 0


def test_an_account_in_auction_neither_trades_nor_withdraws(
    system: System, borrower: bytes, maker: bytes
) -> None:
    system.vault.requestWithdrawal(borrower, 1, sender=BORROWER)
    crash(system, 8)
    start(system, borrower)
    with pytest.raises(Revert, match="InAuction"):
        system.trade(borrower, maker, lots=-1)
    with pytest.raises(Revert, match="InAuction"):
        system.vault.claimWithdrawal(borrower, BORROWER, (), sender=BORROWER)


# Buy


def test_INV_20_buy__when_solvent__takes_just_what_restores_the_target(
    system: System, borrower: bytes, maker: bytes, buyer: bytes
) -> None:
    crash(system, 8)
    start(system, borrower)
    before = wealth(system, (borrower, maker, buyer))
    fraction, _ = buy(system, borrower, buyer)
    health = system.vault.health(borrower)
    lot_leg = 12 * TOKEN
    assert 0 < fraction < WAD
    assert 10 * health.equity >= 12 * health.maintenance
    assert 10 * health.equity <= 12 * (health.maintenance + lot_leg)
    assert system.lots(borrower) == 100 - -(-100 * fraction // WAD)
    assert system.lots(borrower) + system.lots(buyer) == 100
    assert not has_auction(system, borrower)
    assert wealth(system, (borrower, maker, buyer)) == before


@pytest.mark.parametrize("tokens", [9, 14.5, 17])
def test_INV_05_a_liquidation_creates_and_destroys_nothing(
    system: System, borrower: bytes, maker: bytes, buyer: bytes, tokens: float
) -> None:
    crash(system, tokens)
    start(system, borrower)
    system.advance(12 * MINUTE_S)
    everyone = (borrower, maker, buyer)
    before, held = wealth(system, everyone), system.token.balanceOf(system.vault)
    fund, interest = system.fund.totalAssets(), system.vault.openInterest(0)
    for _ in range(3):
        if has_auction(system, borrower):
            buy(system, borrower, buyer, WAD // 3)
    assert wealth(system, everyone) == before
    assert system.token.balanceOf(system.vault) - held == fund - system.fund.totalAssets()
    assert system.vault.openInterest(0) == interest


def test_INV_05_open_interest_shrinks_when_a_slice_nets(
    system: System, borrower: bytes, maker: bytes
) -> None:
    buyer = system.open(BUYER, 50_000)
    system.trade(buyer, maker, lots=-30)
    crash(system, 8)
    start(system, borrower)
    buy(system, borrower, buyer)
    longs = [lots for lots in map(system.lots, (borrower, maker, buyer)) if lots > 0]
    assert sum(map(system.lots, (borrower, maker, buyer))) == 0
    assert system.vault.openInterest(0) == sum(longs)


def test_buy__when_insolvent__pays_the_hole_and_the_premium_from_the_fund(
    system: System, borrower: bytes, buyer: bytes
) -> None:
    crash(system, 16)
    start(system, borrower)
    system.advance(10 * MINUTE_S)
    equity, maintenance, *_ = system.vault.health(borrower)
    k = system.liquidator.premiumFactorWad(borrower)
    fund, before = system.fund.totalAssets(), system.equity(buyer)
    assert buy(system, borrower, buyer)[0] == WAD
    premium = (k - WAD // 50) * maintenance // WAD
    assert fund - system.fund.totalAssets() == premium - equity
    assert system.equity(buyer) - before == premium
    assert system.equity(borrower) == 0
    assert not has_auction(system, borrower)
    assert system.vault.bookedLosses() == 0


def test_INV_24_a_deficit_is_recorded_only_when_the_fund_is_at_its_cap(
    system: System, borrower: bytes, buyer: bytes
) -> None:
    crash(system, 20)
    start(system, borrower)
    room = system.fund.coverable()
    assert room == 300 * TOKEN
    buy(system, borrower, buyer)
    assert system.vault.deficit() == 500 * TOKEN - room
    assert system.fund.totalAssets() == 1_000 * TOKEN - room
    assert system.equity(borrower) == 0


def test_INV_24_nobody_exits_between_a_booked_loss_and_its_share_of_it(
    system: System, borrower: bytes, buyer: bytes
) -> None:
    bystander = system.open(role("bystander"), 1_000)
    crash(system, 25)
    start(system, borrower)
    haircut = system.vault.exitHaircutWad()
    assert haircut > 0
    with system.isolated():
        paid = system.vault.withdraw(bystander, 1_000 * TOKEN, role("bystander"), sender=role("bystander"))
        assert paid == 1_000 * TOKEN - -(-1_000 * TOKEN * haircut // WAD)
    buy(system, borrower, buyer)
    assert system.vault.deficit() == 1_000 * TOKEN - 300 * TOKEN


def test_INV_23_buy__when_the_buyer_lacks_initial_margin__reverts(system: System, borrower: bytes) -> None:
    poor = system.open(ATTACKER, 100)
    crash(system, 8)
    start(system, borrower)
    with pytest.raises(Revert, match="InitialMargin"):
        buy(system, borrower, poor)
    fraction, _ = buy(system, borrower, poor, WAD // 20)
    margin = system.vault.margin(poor, EMPTY, False)
    assert fraction == WAD // 20
    assert margin.equity >= margin.initial > 0


def test_INV_23_buy__just_below_the_initial_requirement__reverts(system: System, borrower: bytes) -> None:
    poor = system.open(ATTACKER, 100)
    crash(system, 8)
    start(system, borrower)
    with system.isolated():
        system.deposit(poor, 10_000 * TOKEN)
        buy(system, borrower, poor)
        margin = system.vault.margin(poor, EMPTY, False)
        spare = margin.equity - margin.initial
        assert margin.maintenance < margin.initial
    missing = 10_000 * TOKEN - spare
    system.deposit(poor, missing - 1)
    with pytest.raises(Revert, match="InitialMargin"):
        buy(system, borrower, poor)
    system.deposit(poor, 1)
    buy(system, borrower, poor)


def test_INV_23_buy__with_a_position_that_the_manifest_lacks__reverts(
    system: System, borrower: bytes, maker: bytes, buyer: bytes
) -> None:
    """What such a position requires nobody can tell."""
    slot = system.list_instrument(0, perpetual())
    system.publish()
    system.push()
    system.trade(buyer, maker, lots=1, slot=slot)
    system.oracle.dropCurrent(sender=GUARDIAN)
    crash(system, 8)
    start(system, borrower)
    with pytest.raises(Revert, match="PriceNotFresh"):
        buy(system, borrower, buyer)
    other = system.open(ATTACKER, 100_000)
    buy(system, borrower, other)


def test_buy__by_strangers_or_from_or_for_accounts_in_auction__reverts(
    system: System, borrower: bytes, maker: bytes, buyer: bytes
) -> None:
    other = system.open(ATTACKER, 1_500)
    system.trade(other, maker, lots=100)
    crash(system, 8)
    with pytest.raises(Revert, match="NotInAuction"):
        buy(system, borrower, buyer)
    start(system, borrower)
    start(system, other)
    with pytest.raises(Revert, match="NotAuthorised"):
        buy(system, borrower, buyer, sender=ATTACKER)
    with pytest.raises(Revert, match="SameAccount"):
        buy(system, borrower, borrower)
    with pytest.raises(Revert, match="InAuction"):
        buy(system, borrower, other)
    with pytest.raises(Revert, match="ZeroFraction"):
        buy(system, borrower, buyer, 0)
    system.vault.setOperator(buyer, ATTACKER, True, sender=BUYER)
    buy(system, borrower, buyer, sender=ATTACKER)


def test_buy__above_the_limit__reverts(system: System, borrower: bytes, buyer: bytes) -> None:
    crash(system, 8)
    start(system, borrower)
    with system.isolated():
        _, paid = buy(system, borrower, buyer)
    with pytest.raises(Revert, match=f"PaysMoreThan.{paid}, {paid - 1}"):
        buy(system, borrower, buyer, limit=paid - 1)
    assert buy(system, borrower, buyer, limit=paid)[1] == paid


def test_a_quote_is_what_a_purchase_pays_up_to_a_lot(system: System, borrower: bytes, buyer: bytes) -> None:
    crash(system, 16)
    start(system, borrower)
    system.advance(5 * MINUTE_S)
    for fraction in (WAD, WAD // 4):
        quoted = system.liquidator.quote(borrower, fraction, ())
        with system.isolated():
            assert buy(system, borrower, buyer, fraction) == (quoted.fractionWad, quoted.paid)


def test_buy__when_healthy_again__reverts_and_anyone_ends(
    system: System, borrower: bytes, buyer: bytes
) -> None:
    crash(system, 16)
    start(system, borrower)
    with pytest.raises(Revert, match="AccountUnhealthy"):
        system.liquidator.end(borrower, ())
    system.deposit(borrower, 2_000 * TOKEN)
    with pytest.raises(Revert, match="AccountHealthy"):
        buy(system, borrower, buyer)
    system.liquidator.end(borrower, (), sender=ATTACKER)
    assert not has_auction(system, borrower)
    assert system.vault.bookedLosses() == 0
    with pytest.raises(Revert, match="NotInAuction"):
        system.liquidator.end(borrower, ())


# Time


def test_INV_22_seconds_without_prices_do_not_raise_the_premium(
    system: System, borrower: bytes, buyer: bytes
) -> None:
    crash(system, 8)
    start(system, borrower)
    system.advance(10 * MINUTE_S)
    factor = system.liquidator.premiumFactorWad(borrower)
    system.evm.advance(10_000)
    assert system.liquidator.premiumFactorWad(borrower) == factor
    with pytest.raises(Revert, match="PriceStale"):
        buy(system, borrower, buyer)
    with pytest.raises(Revert, match="PriceStale"):
        system.liquidator.end(borrower, ())
    system.push()
    assert system.liquidator.premiumFactorWad(borrower) == factor
    system.advance(MINUTE_S)
    assert system.liquidator.premiumFactorWad(borrower) > factor


# A dead feed


@pytest.fixture
def crossed(system: System, maker: bytes) -> bytes:
    """An account long in both underlyings."""
    account = system.open(BORROWER, 3_000)
    system.trade(account, maker, lots=100)
    system.trade(account, maker, lots=20, page=1)
    system.evm.advance(1)
    return account


def test_INV_16_a_dead_feed_shields_no_account(system: System, crossed: bytes, buyer: bytes) -> None:
    system.advance(5 * MINUTE_S, dead=[1])
    system.markets[0].spot -= 300_000
    system.push([0])
    system.liquidator.start(crossed, ())
    system.advance(20 * MINUTE_S, dead=[1])
    fund = system.fund.totalAssets()
    buy(system, crossed, buyer)
    assert system.lots(crossed) == 0
    assert system.lots(crossed, page=1) == 20
    assert system.lots(buyer, page=1) == 0
    assert system.fund.totalAssets() == fund


def test_INV_24_while_some_position_has_no_price_the_account_bears_all(
    system: System, crossed: bytes, buyer: bytes
) -> None:
    system.advance(5 * MINUTE_S, dead=[1])
    system.markets[0].spot -= 300_000
    system.push([0])
    system.liquidator.start(crossed, ())
    system.advance(20 * MINUTE_S, dead=[1])
    equity, maintenance, *_ = system.vault.health(crossed)
    before = system.equity(buyer)
    assert equity < 0
    buy(system, crossed, buyer)
    premium = system.equity(buyer) - before
    assert premium == 18 * maintenance // 100
    assert system.equity(crossed) == equity - premium
    assert has_auction(system, crossed)
    assert system.vault.bookedLosses() == premium - equity
    system.push()
    system.liquidator.book(crossed)
    assert system.vault.bookedLosses() == max(0, -system.equity(crossed))


# Attacks


def test_buying_ones_own_account_at_once_earns_nothing_of_the_fund(system: System, maker: bytes) -> None:
    victim, accomplice = system.open(ATTACKER, 1_500), system.open(ATTACKER, 50_000, index=1)
    system.trade(victim, maker, lots=100)
    crash(system, 16)
    start(system, victim)
    before, hole = system.equity(accomplice), -system.equity(victim)
    fund = system.fund.totalAssets()
    buy(system, victim, accomplice)
    assert system.equity(accomplice) == before
    assert fund - system.fund.totalAssets() == hole


@pytest.mark.parametrize("tokens", [9, 14.5, 17])
@pytest.mark.parametrize(
    "slices", [[WAD // 4] * 8, [1] * 12 + [WAD], [WAD // 97] * 20 + [WAD], [WAD // 2, 1] * 4]
)
def test_INV_21_many_slices_earn_no_more_than_one(
    system: System, borrower: bytes, buyer: bytes, tokens: float, slices: list[int]
) -> None:
    crash(system, tokens)
    start(system, borrower)
    system.advance(15 * MINUTE_S)
    k, maintenance, before = (
        system.liquidator.premiumFactorWad(borrower),
        system.vault.health(borrower).maintenance,
        system.equity(buyer),
    )
    for fraction in slices:
        if has_auction(system, borrower):
            buy(system, borrower, buyer, fraction)
    assert system.liquidator.VAULT() == system.vault.address
    removed = maintenance - system.vault.health(borrower).maintenance
    assert (system.equity(buyer) - before) * WAD <= k * removed


def test_INV_21_a_slice_earns_no_more_than_the_maintenance_it_removes(
    system: System, maker: bytes, buyer: bytes
) -> None:
    """A book half hedged: the first slice of a lot of each takes off less than its share."""
    account = system.open(BORROWER, 300)
    system.trade(account, maker, lots=20)
    system.trade(account, maker, lots=-3, slot=1)
    system.evm.advance(1)
    equity, maintenance, *_ = system.vault.health(account)
    crash(system, (equity - maintenance) / 17 / TOKEN + 1)
    start(system, account)
    system.advance(15 * MINUTE_S)
    for fraction in (WAD // 10, WAD // 7, WAD // 3):
        if not has_auction(system, account):
            break
        k, required, before = (
            system.liquidator.premiumFactorWad(account),
            system.vault.health(account).maintenance,
            system.equity(buyer),
        )
        buy(system, account, buyer, fraction)
        removed = required - system.vault.health(account).maintenance
        assert (system.equity(buyer) - before) * WAD <= k * removed


def test_a_dust_fraction_moves_a_lot_and_earns_no_premium(
    system: System, borrower: bytes, buyer: bytes
) -> None:
    crash(system, 16)
    start(system, borrower)
    system.advance(20 * MINUTE_S)
    before, equity = system.equity(buyer), system.equity(borrower)
    buy(system, borrower, buyer, 1)
    assert (system.lots(borrower), system.lots(buyer)) == (99, 1)
    assert (system.equity(buyer), system.equity(borrower)) == (before, equity)


@pytest.fixture
def hedged(system: System, maker: bytes) -> bytes:
    """An account whose hedge is lumpy, so that a small slice of it unhedges the rest."""
    account = system.open(BORROWER, 100)
    system.trade(account, maker, lots=3, page=1)
    system.trade(account, maker, lots=-1, slot=1)
    system.trade(account, maker, lots=2)
    system.trade(account, maker, lots=-1, slot=2)
    system.evm.advance(1)
    equity, maintenance, *_ = system.vault.health(account)
    crash(system, (equity - maintenance) / 3 / TOKEN + 0.5, underlying=1)
    return account


def test_INV_19_a_slice_that_leaves_the_account_worse_is_refused(
    system: System, hedged: bytes, buyer: bytes
) -> None:
    start(system, hedged)
    with pytest.raises(Revert, match="HealthFell"):
        buy(system, hedged, buyer, WAD // 10)
    assert system.lots(hedged) == 2


def test_buy__when_no_slice_helps__takes_the_whole_book(
    system: System, hedged: bytes, buyer: bytes, maker: bytes
) -> None:
    start(system, hedged)
    before = wealth(system, (hedged, buyer, maker))
    assert system.liquidator.quote(hedged, WAD, ()).fractionWad < WAD
    assert buy(system, hedged, buyer)[0] == WAD
    assert not any(system.lots(hedged, 0, slot) for slot in range(3))
    assert wealth(system, (hedged, buyer, maker)) == before
    assert system.equity(hedged) > 0


def test_a_purchase_that_fails_for_another_reason_never_becomes_one_of_the_whole_book(
    system: System, borrower: bytes
) -> None:
    poor = system.open(ATTACKER, 100)
    crash(system, 8)
    start(system, borrower)
    largest = system.liquidator.quote(borrower, WAD, ()).fractionWad
    assert largest < WAD
    with pytest.raises(Revert, match="InitialMargin") as some:
        buy(system, borrower, poor, largest)
    with pytest.raises(Revert, match="InitialMargin") as all_of_it:
        buy(system, borrower, poor, WAD)
    assert all_of_it.value.args_ == some.value.args_


@pytest.mark.parametrize("entry", ["buy", "start", "withdraw", "redeem", "deposit"])
def test_a_token_that_calls_back_from_the_fund_finds_every_entry_closed(
    system: System, borrower: bytes, buyer: bytes, entry: str
) -> None:
    crash(system, 16)
    start(system, borrower)
    code = bytes.fromhex(artifact("CallbackToken")["deployedBytecode"]["object"].removeprefix("0x"))
    system.evm.put_code(system.token.address, code)
    token = system.evm.at("CallbackToken", system.token.address)
    own = account_id(token.address)
    calls = {
        "buy": (system.liquidator, (borrower, own, WAD, ANY_PRICE, (), ())),
        "start": (system.liquidator, (own, ())),
        "withdraw": (system.vault, (own, 1, token.address)),
        "redeem": (system.fund, (1, token.address, token.address)),
        "deposit": (system.fund, (1, token.address)),
    }
    target, arguments = calls[entry]
    token.arm(target, target.calldata(entry, *arguments))
    buy(system, borrower, buyer)
    assert token.called()
    # The fund says first that a loss is pending, which is as good.
    refusals = {keccak(text=text)[:4] for text in ("ReentrancyGuardReentrantCall()", "LossPending()")}
    assert token.answer()[:4] in refusals


@pytest.mark.parametrize(
    ("entry", "arguments"),
    [
        ("beginAuction", (bytes(32), 0, 0)),
        ("endAuction", (bytes(32),)),
        ("bookLoss", (bytes(32), 1)),
        ("sellSlice", ((bytes(32), b"\1".rjust(32), WAD, 0, False), ATTACKER, (), ())),
        ("coverLoss", (bytes(32), 1)),
        ("deleverage", (bytes(32), bytes(32), 0, 0, 1)),
    ],
)
def test_only_the_liquidator_liquidates(system: System, entry: str, arguments: tuple[object, ...]) -> None:
    with pytest.raises(Revert, match="NotLiquidator"):
        getattr(system.vault, entry)(*arguments, sender=ATTACKER)


# Deleveraging


@pytest.fixture
def unsold(system: System, borrower: bytes) -> bytes:
    """An insolvent account that nobody bought for an hour at the largest premium, less a minute."""
    crash(system, 16)
    start(system, borrower)
    system.advance(289 * MINUTE_S, every=119)
    return borrower


def test_deleverage__before_an_hour_at_the_largest_premium__reverts(
    system: System, unsold: bytes, maker: bytes
) -> None:
    with pytest.raises(Revert, match="TooEarly"):
        system.liquidator.deleverage(unsold, maker, 0, 0, 10, ())
    system.advance(2 * MINUTE_S)
    system.liquidator.deleverage(unsold, maker, 0, 0, 10, ())


def test_deleverage__closes_at_the_mark_and_covers_what_is_left(
    system: System, unsold: bytes, maker: bytes
) -> None:
    system.advance(2 * MINUTE_S)
    before, equity = wealth(system, (unsold, maker)), system.equity(unsold)
    with pytest.raises(Revert, match="LotsOutOfRange"):
        system.liquidator.deleverage(unsold, maker, 0, 0, 101, ())
    system.liquidator.deleverage(unsold, maker, 0, 0, 40, ())
    assert (system.lots(unsold), system.lots(maker), system.vault.openInterest(0)) == (60, -60, 60)
    assert system.equity(unsold) == equity
    assert has_auction(system, unsold)
    system.liquidator.deleverage(unsold, maker, 0, 0, 60, ())
    assert (system.lots(unsold), system.lots(maker), system.vault.openInterest(0)) == (0, 0, 0)
    assert system.equity(unsold) == 0
    assert not has_auction(system, unsold)
    assert system.vault.bookedLosses() == 0
    assert wealth(system, (unsold, maker)) == before


def test_deleverage__against_the_same_side_or_nothing__reverts(
    system: System, unsold: bytes, maker: bytes
) -> None:
    system.advance(2 * MINUTE_S)
    system.publish()
    system.push()
    same = system.open(ATTACKER, 10_000)
    system.trade(same, maker, lots=5)
    for opposite in (same, system.open(BUYER, 10)):
        with pytest.raises(Revert, match="LotsOutOfRange"):
            system.liquidator.deleverage(unsold, opposite, 0, 0, 1, ())
    with pytest.raises(Revert, match="ZeroLots"):
        system.liquidator.deleverage(unsold, maker, 0, 0, 0, ())


def test_deleverage__may_not_make_the_opposite_account_unhealthy(
    system: System, unsold: bytes, maker: bytes
) -> None:
    system.advance(2 * MINUTE_S)
    system.markets[0].atoms = [((0, -1), (1, 1))]
    system.publish()
    system.advance(60 * MINUTE_S)  # the baseline must hold the atom too
    system.publish()
    system.push()
    spread = system.open(ATTACKER, 400)
    for pairs in range(0, 100, 20):
        for lots, slot in ((-20, 0), (20, 1)):
            hedge = (certificate_words([(0, 0, pairs + 20 * slot)]), 0, (), ())
            system.trade(spread, maker, lots=lots, slot=slot, certificates=((hedge,), ()))
    health = system.vault.health(spread)
    assert health.equity >= health.maintenance
    with pytest.raises(Revert, match="ReduceRaisesRisk"):
        system.liquidator.deleverage(unsold, spread, 0, 0, 100, ())
    system.liquidator.deleverage(unsold, spread, 0, 0, 10, ())
