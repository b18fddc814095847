"""Three lines that say what moved and why."""

from __future__ import annotations

from dataclasses import replace

from seawall.demo.history import AuctionRun, Outcome

__all__ = ["summarise"]


def summarise(outcome: Outcome) -> Outcome:
    """Return the outcome with its three closing lines."""
    return replace(outcome, summary=(_prices(outcome), _accounts(outcome), _payers(outcome)))


def _prices(outcome: Outcome) -> str:
    first, last = outcome.epochs[0], outcome.epochs[-1]
    trough = min((min(e.prices[s] for e in outcome.epochs) / first.prices[s] - 1, s) for s in outcome.symbols)
    lead = outcome.symbols[0]
    peak = max(e.initial_ratio[lead] for e in outcome.epochs)
    return (
        f"Prices: {lead} {last.prices[lead] / first.prices[lead] - 1:+.1%} over the window, {trough[1]} down to"
        f" {trough[0]:+.1%};"
        f" the initial margin of a long {lead} rose from {first.initial_ratio[lead]:.1%} to {peak:.1%} of spot."
    )


def _accounts(outcome: Outcome) -> str:
    cured = sorted(
        {e.split(" is called and")[0] for ep in outcome.epochs for e in ep.events if "is called and" in e}
    )
    sold = [run for run in outcome.auctions if run.bids]
    parts = [f"cured: {', '.join(cured) or 'nobody'}"]
    parts.append(f"auctioned: {', '.join(map(_sold, sold)) or 'nobody'}")
    open_runs = [run.account for run in outcome.auctions if run.ended_s is None]
    if open_runs:
        parts.append(f"still in auction: {', '.join(open_runs)}")
    return f"Accounts: {'; '.join(parts)}."


def _sold(run: AuctionRun) -> str:
    health = run.bids[-1].health_after
    end = "the whole book" if health is None else f"to {health:.3f} of its requirement"
    return f"{run.account} ({len(run.bids)} slice{'s' if len(run.bids) != 1 else ''}, {end})"


def _payers(outcome: Outcome) -> str:
    bids = [bid for run in outcome.auctions for bid in run.bids]
    premium = sum(bid.value - bid.paid for bid in bids)
    fund = sum(bid.fund_paid for bid in bids)
    deficit = sum(bid.deficit_added for bid in bids)
    return (
        f"Money: bidders earned {premium:,.0f} of premium, the insurance fund paid {fund:,.0f},"
        f" {deficit:,.0f} became deficit;"
        f" tokens less claims are {outcome.ledger.difference} wei."
    )
