"""The exact integer twin of the contracts: marks, margin, ledger, auction."""

from seawall.reference.auction import bearers, largest_fraction_wad, lots_moved, premium_factor_wad, split
from seawall.reference.book import Book, Position, account_word, in_range
from seawall.reference.certificate import EMPTY, Certificate, certificate_words
from seawall.reference.engine import assess, health, lane_bound
from seawall.reference.fund import Fund
from seawall.reference.ledger import Account, Vault, World
from seawall.reference.liquidator import Liquidator
from seawall.reference.marks import SpotState, funding_at, live_mark, spot_state
from seawall.reference.rejection import Rejected
from seawall.reference.state import Flag, Health, ManifestState, Margin, Price
from seawall.reference.trading import Fill, find_instrument, settle

__all__ = [
    "EMPTY",
    "Account",
    "Book",
    "Certificate",
    "Fill",
    "Flag",
    "Fund",
    "Health",
    "Liquidator",
    "ManifestState",
    "Margin",
    "Position",
    "Price",
    "Rejected",
    "SpotState",
    "Vault",
    "World",
    "account_word",
    "assess",
    "bearers",
    "certificate_words",
    "find_instrument",
    "funding_at",
    "health",
    "in_range",
    "lane_bound",
    "largest_fraction_wad",
    "live_mark",
    "lots_moved",
    "premium_factor_wad",
    "settle",
    "split",
    "spot_state",
]
