"""The story with options: its cast, and accounts that certify their books."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from seawall.demo.accounts import DEALER, Accounts
from seawall.demo.dated import DatedPlan, LegPlan
from seawall.demo.history import Saving
from seawall.demo.settings import AccountPlan, DemoSettings
from seawall.demo.world import World
from seawall.errors import DataError
from seawall.keeper import ChainView, Round
from seawall.keeper.accounts import read_books
from seawall.keeper.books import certify_books
from seawall.keeper.certify import pages_of
from seawall.margin.certificate import best_certificate
from seawall.margin.settings import ModelSettings
from seawall.margin.volatility import YEAR_H, sigma_path
from seawall.market.bars import Bars
from seawall.market.implied import ImpliedQuotes, read_implied
from seawall.page.decode import Page
from seawall.page.layout import unpack_entries
from seawall.reference.book import Book

__all__ = ["HEDGED", "OPTION_CAST", "OptionAccounts", "book_ratios", "option_settings"]

HEDGED = "hedged option book"
_SIZING_LOTS = 1_000_000  # a book of this size is certified to learn what a lot of it needs
_DELTA_ONE = 1 << 22
_HOUR_S = 3600
_QUOTED_FROM_S, _QUOTED_UNTIL_S = 5 * 86_400, 10 * 86_400  # what files hold before and after the start
_DISAGREEMENT = 0.001  # by which the quotes of one keeper are above those of the one before it


def _hedged_book(symbol: str, size: float) -> tuple[LegPlan, ...]:
    """Return a call and a put spread, a calendar spread, and the perpetual that offsets their delta."""
    parts = (
        ("call", 1.0, 1, 3.0),  # also the far leg of the calendar spread
        ("call", 1.1, 1, -2.0),
        ("call", 1.0, 0, -1.0),
        ("put", 0.9, 1, 1.0),
        ("put", 0.8, 1, -1.0),
    )
    options = tuple(
        LegPlan(symbol=symbol, kind=kind, moneyness=moneyness, expiry=expiry, lots=size * lots)
        for kind, moneyness, expiry, lots in parts
    )
    return (*options, LegPlan(symbol=symbol, kind="perpetual"))


OPTION_CAST: tuple[AccountPlan, ...] = (
    AccountPlan(
        name=HEDGED,
        weights={},
        deposit=100_000,
        usage=0.40,
        legs=(*_hedged_book("BTC", 1.0), *_hedged_book("ETH", 1.0)),
    ),
    AccountPlan(
        name="short straddle",
        weights={},
        deposit=100_000,
        usage=0.91,  # the put is sold first, and for a moment stands alone
        legs=(
            LegPlan(symbol="BTC", kind="put", moneyness=1.0, expiry=1, lots=-1.0),
            LegPlan(symbol="BTC", kind="call", moneyness=1.0, expiry=1, lots=-1.0),
        ),
    ),
    AccountPlan(
        name="long with put",
        weights={},
        deposit=100_000,
        usage=0.30,
        legs=(
            LegPlan(symbol="BTC", kind="put", moneyness=1.0, expiry=0, lots=1.0),
            LegPlan(symbol="BTC", kind="perpetual", lots=1.0),
        ),
    ),
    AccountPlan(
        name="long without put",
        weights={},
        deposit=100_000,
        usage=0.80,
        legs=(LegPlan(symbol="BTC", kind="perpetual", lots=1.0),),
    ),
    AccountPlan(
        name="future against perpetual",
        weights={},
        deposit=100_000,
        usage=0.015,
        legs=(
            LegPlan(symbol="ETH", kind="future", lots=1.0),
            LegPlan(symbol="ETH", kind="perpetual", lots=-1.0),
        ),
    ),
)


def option_settings(settings: DemoSettings, *, short: bool) -> DemoSettings:
    """Return settings of the story with options: two underlyings, around the worst four hours."""
    model = settings.keeper.model
    return replace(
        settings,
        symbols=("BTC", "ETH"),
        fall_s=4 * 3600,
        before_s=(1 if short else 5) * 3600,
        after_s=(2 if short else 3) * 3600,
        outage=(0.0, 0.0),
        dated=DatedPlan(before_end_h=1 if short else 2),
        cast=OPTION_CAST,
        keeper=replace(
            settings.keeper,
            model=replace(
                model,
                atoms=replace(model.atoms, selection_books=24, design_structures=150),
                lanes=replace(model.lanes, iterations=4),
            ),
        ),
    )


def _write_quotes(path: Path, bars: Bars, model: ModelSettings, *, now_s: int, factor: float) -> None:
    """Write what options would trade at if markets went by realised volatility as the model sees it."""
    yearly = np.sqrt(YEAR_H / model.horizon_h)
    levels = factor * yearly * sigma_path(bars.closes, bar_h=bars.bar_s / _HOUR_S, settings=model)
    rows = ["observed_at,underlying,tenor_days,volatility"]
    for time_s, quoted in zip(bars.known_at.tolist(), levels.tolist(), strict=True):
        if now_s - _QUOTED_FROM_S <= time_s <= now_s + _QUOTED_UNTIL_S:
            rows += [f"{time_s},{s},30,{q:.6f}" for s, q in zip(bars.symbols, quoted, strict=True)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


class OptionAccounts(Accounts):
    """Act for accounts that hold options, each with its best certificate."""

    def __init__(self, world: World, settings: DemoSettings) -> None:
        super().__init__(world, settings)
        self.savings: list[Saving] = []
        self._files = [
            world.state_dir / f"implied-{index}.csv" for index, _ in enumerate(world.keepers, start=1)
        ]
        now_s, bars = world.chain.now(), world.bars
        for index, path in enumerate(self._files):
            _write_quotes(path, bars, settings.keeper.model, now_s=now_s, factor=1.0 + _DISAGREEMENT * index)

    def quotes(self) -> list[ImpliedQuotes]:
        """Return what each keeper's own file says options trade at."""
        return [read_implied(path) for path in self._files]

    def open_accounts(self) -> None:
        """Open every account, and say what options are marked by."""
        self.events.append(
            "options are marked by quotes made from past prices: the data holds none of that time"
        )
        super().open_accounts()

    def open_positions(self, plan: AccountPlan, view: ChainView) -> None:
        """Trade the plan's book at the page's marks; certified, it uses the planned share of the deposit."""
        world, person = self.world, self.world.people[plan.name]
        pages = pages_of(world.system, [page.page_id for page in view.pages])
        ratios = book_ratios(plan, view, pages, self.dated)
        sized = Book()
        for (page, slot), ratio in ratios.items():
            sized.add(page, (slot, pages[page].records[slot].generation), round(ratio * _SIZING_LOTS))
        need = world.tokens(best_certificate(sized, pages).upper)
        if need <= 0:
            raise DataError(f"the book of {plan.name} needs no margin: give it a leg that can lose")
        lots_of_book = plan.deposit * plan.usage / need * _SIZING_LOTS
        for (page, slot), ratio in ratios.items():
            lots, record = int(ratio * lots_of_book), pages[page].records[slot]
            if lots:
                world.freshen(view)
                world.trade(
                    person,
                    world.people[DEALER],
                    page=page,
                    slot=slot,
                    generation=record.generation,
                    lots=lots,
                    price=record.mark,
                )
                name = world.instrument_name(view.underlyings[view.pages[page].underlying].symbol, record)
                self.events.append(
                    f"{plan.name} {'buys' if lots > 0 else 'sells'} {abs(lots):,} lots of {name}"
                )

    @property
    def dated(self) -> DatedPlan:
        """Return what is listed."""
        return self.settings.dated or DatedPlan()

    def certify(self, view: ChainView, round_: Round, time_s: int) -> None:
        """Note for every book of the cast what its certificate saves, and its tail risk over the keeper's scenarios."""
        world = self.world
        block = int(world.chain.w3.eth.block_number)
        names = {world.people[name].account: name for name in self.plans}
        for book in read_books(world.system, list(names), block=block):
            name = names[book.account]
            leaves = certify_books(
                view,
                round_.computed,
                [book],
                lambda_bps=round_.computed.posted.lambda_bps,
                settings=self.settings.keeper,
            )
            found = world.shown[name]
            self.savings.append(
                Saving(
                    time_s=time_s,
                    account=name,
                    gross=world.tokens(found.gross),
                    certified=world.tokens(found.upper),
                    shortfall=world.tokens(leaves[0].shortfall),
                    atoms=sum(1 for entry in unpack_entries(found.certificate.atoms) if entry),
                    book_shown=found.certificate.shows,
                )
            )


def book_ratios(
    plan: AccountPlan, view: ChainView, pages: dict[int, Page], dated: DatedPlan
) -> dict[tuple[int, int], float]:
    """Return lots by page and slot for one lot's worth of the first underlying: others are of equal value."""
    by_symbol = {view.underlyings[page.underlying].symbol: page.page_id for page in view.pages}
    first = pages[by_symbol[plan.legs[0].symbol]].head.reference_spot
    ratios: dict[tuple[int, int], float] = {}
    deltas: dict[int, float] = {}
    for leg in plan.legs:
        page = by_symbol[leg.symbol]
        record = pages[page].records[dated.slot(leg)]
        lots = (
            -deltas.get(page, 0.0) if leg.lots is None else leg.lots * first / pages[page].head.reference_spot
        )
        ratios[page, dated.slot(leg)] = lots
        deltas[page] = deltas.get(page, 0.0) + lots * record.delta_x22 / _DELTA_ONE
    return ratios
