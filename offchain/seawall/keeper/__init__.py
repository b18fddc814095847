"""Keepers: observe, compute, check, sign, post."""

from seawall.keeper.keeper import Keeper
from seawall.keeper.rounds import Round, run_round
from seawall.keeper.settings import KeeperSettings
from seawall.keeper.store import SignatureStore
from seawall.keeper.view import ChainReader, ChainView

__all__ = [
    "ChainReader",
    "ChainView",
    "Keeper",
    "KeeperSettings",
    "Round",
    "SignatureStore",
    "run_round",
]
