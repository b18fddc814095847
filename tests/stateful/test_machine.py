"""Anything that anybody may do, in any order, on compiled bytecode and in the reference at once."""

from __future__ import annotations

from hypothesis import settings
from tests.stateful.auction_rules import AuctionRules

# Forty runs in the `ci` profile, a second or two each.
EXAMPLES = max(15, settings().max_examples * 2 // 15)


class Test_INV_01_INV_02_INV_04_INV_05_INV_07_INV_10_INV_11_INV_12_INV_18_to_INV_24(AuctionRules.TestCase):
    settings = settings(max_examples=EXAMPLES, stateful_step_count=30)
