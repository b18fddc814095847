"""What the hashes in a manifest commit to: the inputs a keeper computed from, and its settings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from seawall.keeper.settings import KeeperSettings
from seawall.keeper.view import ChainView
from seawall.market.bars import Bars

if TYPE_CHECKING:
    from seawall.keeper.compute import Computed

__all__ = ["inputs_hash", "model_hash"]


def inputs_hash(view: ChainView, computed: Computed, bars: Bars) -> bytes:
    """Return a hash of prices, live books and whatever else the numbers were computed from.

    Of pages in force, which the chain has, it covers no more than which marks they held, and how far.
    """
    implied, perpetuals, use = computed.implied, computed.perpetuals, computed.hedges
    return _hash(
        ",".join(bars.symbols).encode(),
        bars.known_at.astype("<i8").tobytes(),
        bars.closes.astype("<f8").tobytes(),
        bars.traded_value.astype("<f8").tobytes(),
        view.lots.astype("<f8").tobytes(),
        b"" if implied is None else implied.history.astype("<f8").tobytes(),
        b"" if implied is None else repr(implied.quotes).encode(),
        *(() if computed.depth is None else (repr(computed.depth).encode(),)),
        *(() if computed.surfaces is None else (repr(computed.surfaces).encode(),)),
        *(() if perpetuals is None else (perpetuals.carried.astype("<f8").tobytes(),)),
        *((repr(computed.held).encode(),) if computed.held else ()),
        # With no hedge that stands they are chosen as without a selection.
        *((repr(use.hedges).encode(),) if use is not None and use.hedges else ()),
    )


def model_hash(settings: KeeperSettings) -> bytes:
    """Return a hash of a keeper's settings."""
    return _hash(repr(settings).encode())


def _hash(*parts: Sequence[int] | bytes) -> bytes:
    """Return SHA-256 over length-prefixed parts."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(bytes(part))
    return digest.digest()
