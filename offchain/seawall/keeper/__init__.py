"""Keepers: observe, compute, check, sign, post."""

from seawall.keeper.keeper import Keeper
from seawall.keeper.rounds import Round, run_round
from seawall.keeper.settings import KeeperSettings
from seawall.keeper.store import SignatureStore
from seawall.keeper.view import AccountIndex, ChainView, read_chain

__all__ = [
    "AccountIndex",
    "ChainView",
    "Keeper",
    "KeeperSettings",
    "Round",
    "SignatureStore",
    "read_chain",
    "run_round",
]
