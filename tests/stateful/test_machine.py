"""Anything that anybody may do, in any order, on compiled bytecode and in the reference at once."""

from __future__ import annotations

from hypothesis import settings
from tests.stateful.auction_rules import AuctionRules

# Twenty runs in the `ci` profile, about a second each.
EXAMPLES = 25


class Test_INV_01_INV_02_INV_04_INV_05_INV_07_INV_10_INV_11_INV_12_INV_18_to_INV_24(AuctionRules.TestCase):
    settings = settings(max_examples=EXAMPLES, stateful_step_count=30)
