"""Deposits, permissions and withdrawals of the vault."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from eth_utils import keccak
from hypothesis import given
from hypothesis import strategies as st
from tests.support.evm import Contract, Revert, role
from tests.support.feeds import CHAIN_ID
from tests.support.market import SPOT
from tests.support.system import EMPTY, GOVERNOR, GUARDIAN, TOKEN, VENUE, System, account_id

from seawall.page import Domain, sign

BORROWER, OPERATOR, STRANGER, KEEPER = role("borrower"), role("operator"), role("stranger"), role("keeper")
LIQUIDATOR = role("liquidator")
HOUR = 3_600
PERMIT = "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"


@pytest.fixture(scope="module")
def deployed() -> System:
    return System.deploy(underlyings=2, instruments=2, liquidator_role=LIQUIDATOR)


@pytest.fixture
def system(deployed: System) -> Iterator[System]:
    with deployed.isolated():
        yield deployed


def request_and_renew(system: System, account: bytes, units: int) -> None:
    """Ask for cash and let keepers and price signers observe everything again."""
    system.vault.requestWithdrawal(account, units, sender=system.owner(account))
    system.advance(12)
    system.publish()


# Deposits


@given(st.integers(1, 10**15))
def test_a_deposit_credits_exactly_what_arrived(deployed: System, units: int) -> None:
    with deployed.isolated() as system:
        account = account_id(BORROWER)
        system.deposit(account, units)
        assert system.cash(account) == units
        assert system.token.balanceOf(system.vault) == units


def test_anyone_may_deposit_for_anyone(system: System) -> None:
    system.token.mint(STRANGER, TOKEN)
    system.token.approve(system.vault, TOKEN, sender=STRANGER)
    system.vault.deposit(account_id(BORROWER, 7), TOKEN, sender=STRANGER)
    assert system.cash(account_id(BORROWER, 7)) == TOKEN


def test_a_deposit__while_paused_or_in_auction__succeeds(system: System) -> None:
    account = system.open(BORROWER, 10)
    system.vault.pauseTrading(sender=GUARDIAN)
    system.vault.beginAuction(account, 0, 0, sender=LIQUIDATOR)
    system.deposit(account, TOKEN)
    assert system.cash(account) == 11 * TOKEN


def test_a_deposit__of_nothing__reverts(system: System) -> None:
    with pytest.raises(Revert, match="ZeroAmount"):
        system.vault.deposit(account_id(BORROWER), 0)


def vault_of(system: System, token: Contract) -> Contract:
    """Return a vault over another token. Its oracle and feed have no code, so reading either would revert."""
    nowhere = role("nowhere")
    return system.evm.deploy("MarginVault", token, nowhere, nowhere, system.registry, system.manager)


@pytest.fixture
def fee_token(system: System) -> Contract:
    return system.evm.deploy("FeeToken")


def test_a_deposit__when_the_token_takes_a_fee__reverts(system: System, fee_token: Contract) -> None:
    vault = vault_of(system, fee_token)
    fee_token.mint(BORROWER, 100)
    fee_token.approve(vault, 100, sender=BORROWER)
    with pytest.raises(Revert) as reverted:
        vault.deposit(account_id(BORROWER), 100, sender=BORROWER)
    assert (reverted.value.name, reverted.value.args_) == ("TransferFee", (100, 99))


def test_a_deposit__when_the_token_answers_false__reverts(system: System) -> None:
    token = system.evm.deploy("FalseToken")
    vault = vault_of(system, token)
    with pytest.raises(Revert, match="SafeERC20FailedOperation"):
        vault.deposit(account_id(BORROWER), 100, sender=BORROWER)


def permit(system: System, key_name: str, units: int, deadline: int) -> tuple[int, bytes, bytes]:
    owner = system.trader(key_name)
    domain = Domain(
        name="Test Dollar", version="1", chain_id=CHAIN_ID, verifying_contract=system.token.address
    )
    members = (owner.address, system.vault.address)
    values = (*(int(member, 16) for member in members), units, system.token.nonces(owner.address), deadline)
    packed = keccak(text=PERMIT) + b"".join(value.to_bytes(32, "big") for value in values)
    signature = sign(domain.digest(keccak(packed)), owner.key)
    return signature[64], signature[:32], signature[32:64]


@pytest.mark.parametrize("front_run", [False, True])
def test_a_permit_deposits_in_one_call__even_if_somebody_spent_it_first(
    system: System, front_run: bool
) -> None:
    owner = system.trader("saver").address
    system.token.mint(owner, TOKEN)
    deadline = system.evm.timestamp + HOUR
    v, r, s = permit(system, "saver", TOKEN, deadline)
    if front_run:
        system.token.permit(owner, system.vault, TOKEN, deadline, v, r, s, sender=STRANGER)
    system.vault.depositWithPermit(account_id(owner), TOKEN, deadline, v, r, s, sender=owner)
    assert system.cash(account_id(owner)) == TOKEN


def test_a_forged_permit_deposits_nothing(system: System) -> None:
    system.token.mint(BORROWER, TOKEN)
    deadline = system.evm.timestamp + HOUR
    v, r, s = permit(system, "saver", TOKEN, deadline)
    with pytest.raises(Revert, match="ERC20InsufficientAllowance"):
        system.vault.depositWithPermit(account_id(BORROWER), TOKEN, deadline, v, r, s, sender=BORROWER)


# Permissions


def test_only_the_owner_names_operators_and_venues(system: System) -> None:
    account = account_id(BORROWER)
    system.vault.setOperator(account, OPERATOR, True, sender=BORROWER)
    for sender in (OPERATOR, STRANGER, GOVERNOR):
        with pytest.raises(Revert, match="NotAuthorised"):
            system.vault.setOperator(account, STRANGER, True, sender=sender)
        with pytest.raises(Revert, match="NotAuthorised"):
            system.vault.approveVenue(account, STRANGER, True, sender=sender)


def test_a_venue_is_no_operator_and_an_operator_no_venue(system: System) -> None:
    account = account_id(BORROWER)
    system.vault.setOperator(account, OPERATOR, True, sender=BORROWER)
    system.vault.approveVenue(account, VENUE, True, sender=BORROWER)
    assert system.vault.isAuthorised(account, OPERATOR)
    assert not system.vault.isAuthorised(account, VENUE)
    assert not system.vault.isAuthorised(account_id(BORROWER, 1), OPERATOR)
    system.vault.setOperator(account, OPERATOR, False, sender=BORROWER)
    assert not system.vault.isAuthorised(account, OPERATOR)


def test_nobody_owns_the_accounts_of_address_zero(system: System) -> None:
    assert not system.vault.isAuthorised(bytes(32), STRANGER)


GOVERNED = [
    ("setLiquidator", (STRANGER,)),
    ("setInsuranceFund", (STRANGER,)),
    ("setCollateralDesk", (STRANGER,)),
    ("listVenue", (STRANGER, True)),
    ("setFeeShares", (0, 0, bytes(32))),
    ("pauseTrading", ()),
    ("unpauseTrading", ()),
]


@pytest.mark.parametrize(("name", "args"), GOVERNED)
def test_governance_is_closed_to_strangers(system: System, name: str, args: tuple[object, ...]) -> None:
    for sender in (STRANGER, GUARDIAN if name != "pauseTrading" else GOVERNOR):
        with pytest.raises(Revert, match="AccessManagedUnauthorized"):
            getattr(system.vault, name)(*args, sender=sender)


def test_liquidator_and_fund_are_named_once(system: System) -> None:
    with pytest.raises(Revert, match="AlreadySet"):
        system.vault.setLiquidator(STRANGER, sender=GOVERNOR)
    with pytest.raises(Revert, match="AlreadySet"):
        system.vault.setInsuranceFund(STRANGER, sender=GOVERNOR)


LIQUIDATOR_ONLY = [
    ("beginAuction", (bytes(32), 0, 0)),
    ("endAuction", (bytes(32),)),
    ("bookLoss", (bytes(32), 1)),
    ("sellSlice", ((bytes(32), b"\1".rjust(32), 1, 1, False), STRANGER, (), ())),
    ("coverLoss", (bytes(32), 1)),
    ("deleverage", (bytes(32), b"\1".rjust(32), 0, 0, 1)),
]


@pytest.mark.parametrize(("name", "args"), LIQUIDATOR_ONLY)
def test_the_liquidators_entries_are_closed_to_all_others(
    system: System, name: str, args: tuple[object, ...]
) -> None:
    for sender in (STRANGER, GOVERNOR, VENUE):
        with pytest.raises(Revert, match="NotLiquidator"):
            getattr(system.vault, name)(*args, sender=sender)


def test_a_slice_is_not_sold_to_the_account_that_it_is_of(system: System) -> None:
    key = account_id(STRANGER)
    with pytest.raises(Revert, match="SameAccount"):
        system.vault.sellSlice((key, key, 1, 1, False), STRANGER, (), (), sender=LIQUIDATOR)


# Withdrawals without positions


def test_INV_04_an_account_without_positions_withdraws_without_oracle_or_feed(system: System) -> None:
    vault = vault_of(system, system.token)
    account = account_id(BORROWER)
    system.token.mint(BORROWER, TOKEN)
    system.token.approve(vault, TOKEN, sender=BORROWER)
    vault.deposit(account, TOKEN, sender=BORROWER)
    assert vault.withdraw(account, TOKEN, BORROWER, sender=BORROWER) == TOKEN
    assert system.token.balanceOf(BORROWER) == TOKEN


def test_INV_04_nobody_else_moves_the_cash_of_an_account(system: System) -> None:
    account = system.open(BORROWER, 10)
    system.vault.setOperator(account, OPERATOR, True, sender=BORROWER)
    for sender in (STRANGER, GOVERNOR, GUARDIAN, VENUE, LIQUIDATOR):
        with pytest.raises(Revert, match="NotAuthorised"):
            system.vault.withdraw(account, TOKEN, BORROWER, sender=sender)
        with pytest.raises(Revert, match="NotAuthorised"):
            system.vault.requestWithdrawal(account, TOKEN, sender=sender)
    with pytest.raises(Revert, match="NotAuthorised"):
        system.vault.withdraw(account, TOKEN, OPERATOR, sender=OPERATOR)
    assert system.vault.withdraw(account, TOKEN, BORROWER, sender=OPERATOR) == TOKEN
    assert system.vault.withdraw(account, TOKEN, STRANGER, sender=BORROWER) == TOKEN
    assert system.cash(account) == 8 * TOKEN


def test_a_withdrawal__beyond_the_cash__reverts(system: System) -> None:
    account = system.open(BORROWER, 10)
    system.open(STRANGER, 100)
    with pytest.raises(Revert, match="InsufficientCash"):
        system.vault.withdraw(account, 10 * TOKEN + 1, BORROWER, sender=BORROWER)


def test_a_withdrawal__with_positions_or_in_auction_or_of_nothing__reverts(system: System) -> None:
    account, other = system.open(BORROWER, 1_000), system.open(STRANGER, 1_000)
    with pytest.raises(Revert, match="ZeroAmount"):
        system.vault.withdraw(account, 0, BORROWER, sender=BORROWER)
    system.trade(account, other, lots=1)
    with pytest.raises(Revert, match="PositionsOpen"):
        system.vault.withdraw(account, TOKEN, BORROWER, sender=BORROWER)
    system.evm.advance(12)
    system.vault.beginAuction(other, 0, 0, sender=LIQUIDATOR)
    with pytest.raises(Revert, match="InAuction"):
        system.vault.withdraw(other, TOKEN, STRANGER, sender=STRANGER)


def test_what_an_auction_was_marked_with_goes_with_it(system: System) -> None:
    account, other = system.open(BORROWER, 1_000), system.open(STRANGER, 1_000)
    system.trade(account, other, lots=1)
    vault, block = system.vault, (2**40 - 1) << 112
    checked = vault.accountWord(account)
    assert checked & block == system.evm.number << 112
    system.evm.advance(12)
    mark = 0xAB_CDEF_0123
    vault.beginAuction(account, 0, mark, sender=LIQUIDATOR)
    assert vault.accountWord(account) == checked & ~block | mark << 112 | 1 << 96
    vault.endAuction(account, sender=LIQUIDATOR)
    assert vault.accountWord(account) == checked & ~block


# The share of a deficit


def test_a_deficit_cuts_every_exit_alike_and_is_repaid_by_what_is_withheld(system: System) -> None:
    first, second, broke = system.open(BORROWER, 60), system.open(STRANGER, 20), system.open(KEEPER)
    system.vault.coverLoss(broke, 20 * TOKEN, sender=LIQUIDATOR)
    assert system.vault.deficit() == 20 * TOKEN
    assert system.vault.exitHaircutWad() == 2 * 10**17
    for account, tokens in ((first, 60), (second, 20), (broke, 20)):
        owner = system.owner(account)
        paid = system.vault.withdraw(account, tokens * TOKEN, owner, sender=owner)
        assert paid == tokens * TOKEN * 8 // 10
    assert system.vault.deficit() == 0
    assert system.token.balanceOf(system.vault) == 0


@given(
    st.lists(st.integers(1, 10**9), min_size=2, max_size=5),
    st.integers(1, 10**9),
    st.integers(0, 10**9),
)
def test_an_exit_leaves_the_haircut_of_the_others_as_it_was(
    deployed: System, deposits: list[int], loss: int, booked: int
) -> None:
    with deployed.isolated() as system:
        accounts = [account_id(role(f"saver {i}")) for i in range(len(deposits))]
        for account, units in zip(accounts, deposits, strict=True):
            system.deposit(account, units)
        system.vault.coverLoss(account_id(KEEPER), loss, sender=LIQUIDATOR)
        system.vault.beginAuction(account_id(KEEPER, 1), booked, 0, sender=LIQUIDATOR)
        before = system.vault.exitHaircutWad()
        owner = system.owner(accounts[0])
        paid = system.vault.withdraw(accounts[0], deposits[0], owner, sender=owner)
        assert paid <= deposits[0] - (deposits[0] * before) // 10**18
        assert paid >= deposits[0] - (deposits[0] * before) // 10**18 - 1
        held, missing = system.token.balanceOf(system.vault), system.vault.deficit() - system.vault.reserve()
        claims = sum(deposits[1:]) + loss
        assert held + missing == claims, "the vault owes what it has and what it records as missing"
        assert before - 2 * 10**18 // claims - 1 <= system.vault.exitHaircutWad() <= before


def test_a_booked_loss_is_withheld_before_it_is_real_and_kept_for_it(system: System) -> None:
    account, failing = system.open(BORROWER, 100), system.open(STRANGER)
    system.vault.beginAuction(failing, 10 * TOKEN, 0, sender=LIQUIDATOR)
    assert system.vault.exitHaircutWad() == 10**17
    assert system.vault.withdraw(account, 50 * TOKEN, BORROWER, sender=BORROWER) == 45 * TOKEN
    assert system.vault.reserve() == 5 * TOKEN
    assert system.vault.exitHaircutWad() == 10**17
    with (
        system.isolated()
    ):  # the loss becomes real: what was withheld pays half of it, who stays bears the other half
        system.vault.coverLoss(failing, 10 * TOKEN, sender=LIQUIDATOR)
        system.vault.endAuction(failing, sender=LIQUIDATOR)
        paid = system.vault.withdraw(account, 50 * TOKEN, BORROWER, sender=BORROWER)
        assert paid == 50 * TOKEN * 11 // 12
        assert system.vault.reserve() == 0
    system.vault.endAuction(failing, sender=LIQUIDATOR)
    assert system.vault.exitHaircutWad() == 0
    assert system.vault.withdraw(account, 50 * TOKEN, BORROWER, sender=BORROWER) == 50 * TOKEN
    assert system.token.balanceOf(system.fund) == 5 * TOKEN


def test_INV_04_an_exit_first_lets_the_reserve_repay_the_deficit(system: System) -> None:
    """Who left while a loss was booked paid for a part of it; the fund is asked, and others bear, only what is left."""
    leaver, stayer, failing = system.open(BORROWER, 100), system.open(STRANGER, 100), system.open(KEEPER)
    system.vault.beginAuction(failing, 40 * TOKEN, 0, sender=LIQUIDATOR)
    assert system.vault.withdraw(leaver, 100 * TOKEN, BORROWER, sender=BORROWER) == 80 * TOKEN
    system.vault.coverLoss(failing, 40 * TOKEN, sender=LIQUIDATOR)
    system.vault.endAuction(failing, sender=LIQUIDATOR)
    assert (system.vault.reserve(), system.vault.deficit()) == (20 * TOKEN, 40 * TOKEN)
    with system.isolated():
        paid = system.vault.withdraw(stayer, 70 * TOKEN, STRANGER, sender=STRANGER)
        assert paid == 60 * TOKEN - 1  # the haircut of a seventh is rounded up
        assert (system.vault.reserve(), system.vault.deficit()) == (0, 10 * TOKEN - 1)
    system.endow_fund(1_000)
    fund = system.fund.totalAssets()
    assert system.vault.withdraw(stayer, 70 * TOKEN, STRANGER, sender=STRANGER) == 70 * TOKEN
    assert fund - system.fund.totalAssets() == 20 * TOKEN
    assert (system.vault.reserve(), system.vault.deficit()) == (0, 0)


def test_what_the_fund_can_cover_is_not_withheld(system: System) -> None:
    account, failing = system.open(BORROWER, 100), system.open(STRANGER)
    system.endow_fund(1_000)
    system.vault.beginAuction(failing, 10 * TOKEN, 0, sender=LIQUIDATOR)
    assert system.vault.exitHaircutWad() == 0
    assert system.vault.withdraw(account, 50 * TOKEN, BORROWER, sender=BORROWER) == 50 * TOKEN


def test_an_exit_calls_on_the_fund_for_a_standing_deficit(system: System) -> None:
    account, broke = system.open(BORROWER, 100), system.open(STRANGER)
    system.vault.coverLoss(broke, 10 * TOKEN, sender=LIQUIDATOR)
    system.endow_fund(1_000)
    assert system.vault.withdraw(account, 100 * TOKEN, BORROWER, sender=BORROWER) == 100 * TOKEN
    assert system.vault.deficit() == 0
    assert system.vault.withdraw(broke, 10 * TOKEN, STRANGER, sender=STRANGER) == 10 * TOKEN


# Withdrawals with positions


@pytest.fixture
def pair(system: System) -> tuple[bytes, bytes]:
    """A long and a short of 10 lots each, 1,000 tokens against a requirement of 100; deep pockets beside them."""
    long, short = system.open(BORROWER, 1_000), system.open(STRANGER, 1_000)
    system.open(KEEPER, 100_000)
    system.trade(long, short, lots=10)
    return long, short


def claim(system: System, account: bytes) -> int:
    owner = system.owner(account)
    paid: int = system.vault.claimWithdrawal(account, owner, (), sender=owner)
    return paid


def test_a_claim_pays_what_was_asked_and_uses_the_request_up(
    system: System, pair: tuple[bytes, bytes]
) -> None:
    request_and_renew(system, pair[0], 500 * TOKEN)
    equity = system.equity(pair[0])
    assert claim(system, pair[0]) == 500 * TOKEN
    assert system.equity(pair[0]) == equity - 500 * TOKEN
    with pytest.raises(Revert, match="NoRequest"):
        claim(system, pair[0])


def test_a_claim_pays_down_to_the_initial_requirement_and_no_further(
    system: System, pair: tuple[bytes, bytes]
) -> None:
    free = system.equity(pair[0]) - system.vault.margin(pair[0], EMPTY, False).initial
    with system.isolated():
        request_and_renew(system, pair[0], free + 1)
        with pytest.raises(Revert, match="InitialMargin"):
            claim(system, pair[0])
    request_and_renew(system, pair[0], free)
    assert claim(system, pair[0]) == free


def test_a_claim__before_a_newer_manifest__reverts(system: System, pair: tuple[bytes, bytes]) -> None:
    system.vault.requestWithdrawal(pair[0], TOKEN, sender=BORROWER)
    system.advance(60, every=12)
    with pytest.raises(Revert, match="RequestTooYoung"):
        claim(system, pair[0])


def test_a_claim__before_a_newer_price__reverts(system: System, pair: tuple[bytes, bytes]) -> None:
    system.evm.advance(3)
    system.vault.requestWithdrawal(pair[0], TOKEN, sender=BORROWER)
    system.evm.advance(3)
    system.publish()
    with pytest.raises(Revert, match="RequestTooYoung"):
        claim(system, pair[0])
    system.push()
    assert claim(system, pair[0]) == TOKEN


def test_a_claim__on_an_old_price__reverts(system: System, pair: tuple[bytes, bytes]) -> None:
    request_and_renew(system, pair[0], TOKEN)
    system.evm.advance(31)
    with pytest.raises(Revert, match="PriceNotFresh"):
        claim(system, pair[0])


def test_a_claim__without_a_baseline__reverts() -> None:
    system = System.deploy(mature=False)
    long, short = system.open(BORROWER, 1_000), system.open(STRANGER, 1_000)
    system.trade(long, short, lots=10)
    request_and_renew(system, long, TOKEN)
    with pytest.raises(Revert, match="WithdrawalNotYet"):
        claim(system, long)


def test_INV_12_a_young_manifest_makes_no_equity_withdrawable(
    system: System, pair: tuple[bytes, bytes]
) -> None:
    free = system.equity(pair[0]) - system.vault.margin(pair[0], EMPTY, False).initial
    system.markets[0].risk_scale = 0.98
    system.publish()
    now_free = system.equity(pair[0]) - system.vault.margin(pair[0], EMPTY, False).initial
    assert now_free > free
    request_and_renew(system, pair[0], now_free)
    with pytest.raises(Revert, match="InitialMargin"):
        claim(system, pair[0])
    system.advance(HOUR)
    system.publish()
    system.push()
    assert claim(system, pair[0]) == now_free


def test_a_claim__on_a_drifted_page__waits_until_the_manifest_is_two_hours_old(
    system: System, pair: tuple[bytes, bytes]
) -> None:
    request_and_renew(system, pair[0], TOKEN)
    system.move(0, SPOT * 106 // 100)
    with pytest.raises(Revert, match="WithdrawalNotYet"):
        claim(system, pair[0])


@pytest.mark.parametrize("drift_percent", [100, 106])
def test_without_keepers_cash_leaves_after_two_hours_at_one_and_a_half_times_the_requirement(
    system: System, pair: tuple[bytes, bytes], drift_percent: int
) -> None:
    system.move(0, SPOT * drift_percent // 100)
    system.advance(HOUR)
    margin = system.vault.margin(pair[0], EMPTY, False)
    free = margin.equity - margin.initial - -(-margin.initial // 2)
    system.vault.requestWithdrawal(pair[0], free, sender=BORROWER)
    system.advance(HOUR - 60)
    with pytest.raises(Revert, match="WithdrawalNotYet"):
        claim(system, pair[0])
    system.advance(60)
    with system.isolated():
        system.vault.requestWithdrawal(pair[0], free + 1, sender=BORROWER)
        system.push()
        with pytest.raises(Revert, match="InitialMargin"):
            claim(system, pair[0])
    assert claim(system, pair[0]) == free


def test_accounts_with_positions_take_out_a_tenth_of_the_tokens_an_hour(system: System) -> None:
    long, short = system.open(BORROWER, 100_000), system.open(STRANGER, 100_000)
    system.trade(long, short, lots=1)
    request_and_renew(system, long, 20_000 * TOKEN + 1)
    with pytest.raises(Revert) as reverted:
        claim(system, long)
    assert (reverted.value.name, reverted.value.args_) == (
        "OutflowLimit",
        (20_000 * TOKEN + 1, 20_000 * TOKEN),
    )
    request_and_renew(system, long, 20_000 * TOKEN)
    assert claim(system, long) == 20_000 * TOKEN
    request_and_renew(system, short, 9_000 * TOKEN)
    with pytest.raises(Revert, match="OutflowLimit"):
        claim(system, short)
    system.advance(HOUR // 2)
    system.publish()
    system.push()
    with pytest.raises(Revert, match="OutflowLimit"):
        claim(system, short)
    system.advance(8 * 60)
    assert claim(system, short) == 9_000 * TOKEN
    request_and_renew(
        system, long, 5_000 * TOKEN
    )  # less than drained since the first, more than is left after both
    with pytest.raises(Revert, match="OutflowLimit"):
        claim(system, long)


def test_an_account_that_closed_everything_claims_without_conditions(
    system: System, pair: tuple[bytes, bytes]
) -> None:
    system.vault.requestWithdrawal(pair[0], 900 * TOKEN, sender=BORROWER)
    system.trade(pair[0], pair[1], lots=-10)
    assert claim(system, pair[0]) == 900 * TOKEN


def test_a_new_request_replaces_the_old_one(system: System, pair: tuple[bytes, bytes]) -> None:
    system.vault.requestWithdrawal(pair[0], 5 * TOKEN, sender=BORROWER)
    request_and_renew(system, pair[0], 3 * TOKEN)
    assert system.vault.withdrawalRequest(pair[0]).value == 3 * TOKEN
    assert claim(system, pair[0]) == 3 * TOKEN


# A hostile token


@pytest.mark.parametrize("entry", ["withdraw", "deposit", "claimWithdrawal", "distributeFees"])
def test_a_token_that_calls_back_finds_every_entry_closed(system: System, entry: str) -> None:
    token = system.evm.deploy("CallbackToken")
    vault = vault_of(system, token)
    account = account_id(token.address)  # the token owns an account, so that its own calls are authorised
    token.mint(BORROWER, 100)
    token.approve(vault, 100, sender=BORROWER)
    vault.deposit(account, 50, sender=BORROWER)
    calls = {
        "withdraw": (account, 50, token.address),
        "deposit": (account, 1),
        "claimWithdrawal": (account, token.address, ()),
        "distributeFees": (token.address,),
    }
    token.arm(vault, vault.calldata(entry, *calls[entry]))
    vault.deposit(account_id(BORROWER), 50, sender=BORROWER)
    assert token.called()
    assert token.answer() == keccak(text="ReentrancyGuardReentrantCall()")[:4]
    assert vault.accountWord(account) >> 152 == 50
