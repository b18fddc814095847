"""The exact integer twin of the contracts: marks, margin, ledger, auction, wind-down, and who may call what."""

from seawall.reference.account import Account
from seawall.reference.auction import bearers, largest_fraction_wad, lots_moved, premium_factor_wad, split
from seawall.reference.authority import Authority
from seawall.reference.book import Book, Position, account_word, in_range
from seawall.reference.certificate import EMPTY, Certificate, certificate_words
from seawall.reference.engine import assess, health, lane_bound
from seawall.reference.fund import Fund
from seawall.reference.ledger import Vault
from seawall.reference.liquidator import Liquidator
from seawall.reference.marks import SpotState, funding_at, live_mark, spot_state
from seawall.reference.rejection import Rejected
from seawall.reference.state import Flag, Health, Listing, ManifestState, Margin, Price, Terms, Total, World
from seawall.reference.trading import Fill, find_instrument, settle
from seawall.reference.wind_down import price_wind_down, settle_wind_down, start_wind_down
from seawall.reference.withdrawals import claim_withdrawal, request_withdrawal, withdraw

__all__ = [
    "EMPTY",
    "Account",
    "Authority",
    "Book",
    "Certificate",
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
    "SpotState",
    "Terms",
    "Total",
    "Vault",
    "World",
    "account_word",
    "assess",
    "bearers",
    "certificate_words",
    "claim_withdrawal",
    "find_instrument",
    "funding_at",
    "health",
    "in_range",
    "lane_bound",
    "largest_fraction_wad",
    "live_mark",
    "lots_moved",
    "premium_factor_wad",
    "price_wind_down",
    "request_withdrawal",
    "settle",
    "settle_wind_down",
    "split",
    "spot_state",
    "start_wind_down",
    "withdraw",
]
