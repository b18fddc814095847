"""The exact integer twin of the contracts: marks, margin, ledger, auction, wind-down, and who may call what."""

from seawall.reference.account import Account
from seawall.reference.auction import bearers, largest_fraction_wad, lots_moved, premium_factor_wad, split
from seawall.reference.authority import Authority
from seawall.reference.book import Book, Position, account_word, in_range
from seawall.reference.certificate import EMPTY, Certificate, Certificates, certificate_words
from seawall.reference.collateral import (
    claim_collateral,
    deposit_collateral,
    request_collateral,
    withdraw_collateral,
)
from seawall.reference.debt import accrue_interest, clear_debt, convert, flag_debt, quote_of
from seawall.reference.desk import Desk
from seawall.reference.engine import assess, health, lane_bound
from seawall.reference.expiry import Averages
from seawall.reference.fund import Fund
from seawall.reference.ledger import Vault
from seawall.reference.liquidator import Liquidator
from seawall.reference.marks import SpotState, expiring_mark, funding_at, live_mark, payoff, spot_state
from seawall.reference.rejection import Rejected
from seawall.reference.settlement import settle_expired
from seawall.reference.state import (
    Flag,
    Health,
    Listing,
    ManifestState,
    Margin,
    Price,
    Settling,
    Terms,
    Total,
    World,
)
from seawall.reference.trading import Fill, find_instrument, settle
from seawall.reference.wind_down import price_wind_down, settle_wind_down, start_wind_down
from seawall.reference.withdrawals import claim_withdrawal, request_withdrawal, withdraw

__all__ = [
    "EMPTY",
    "Account",
    "Authority",
    "Averages",
    "Book",
    "Certificate",
    "Certificates",
    "Desk",
    "Fill",
    "Flag",
    "Fund",
    "Health",
    "Liquidator",
    "Listing",
    "ManifestState",
    "Margin",
    "Position",
    "Price",
    "Rejected",
    "Settling",
    "SpotState",
    "Terms",
    "Total",
    "Vault",
    "World",
    "account_word",
    "accrue_interest",
    "assess",
    "bearers",
    "certificate_words",
    "claim_collateral",
    "claim_withdrawal",
    "clear_debt",
    "convert",
    "deposit_collateral",
    "expiring_mark",
    "find_instrument",
    "flag_debt",
    "funding_at",
    "health",
    "in_range",
    "lane_bound",
    "largest_fraction_wad",
    "live_mark",
    "lots_moved",
    "payoff",
    "premium_factor_wad",
    "price_wind_down",
    "quote_of",
    "request_collateral",
    "request_withdrawal",
    "settle",
    "settle_expired",
    "settle_wind_down",
    "split",
    "spot_state",
    "start_wind_down",
    "withdraw",
    "withdraw_collateral",
]
