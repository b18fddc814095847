"""Whole purchases from auctions, judged and stored in one call, equal the integer reference to a unit."""

from __future__ import annotations

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from tests.support.sale_cases import sale_case
from tests.support.sale_world import SaleWorld

# What purchases come to, the rare things too: all of the book in place of a slice, proofs spent, nothing to sell, too
# little for long and short lots that somebody holds from then on, a baseline of other terms.
FOUND = {
    20000: "AccountHealthy",
    20002: "LossUnproven",
    20003: "part, ended",
    20004: "part, ended",
    20005: "InitialMargin",
    20006: "part, goes on",
    20009: "part, ended",
    20011: "all, ended",
    20012: "part, goes on",
    20013: "BadCertificate",
    20015: "part, ended",
    20019: "part, ended",
    20020: "InitialMargin",
    20022: "LossUnproven",
    20029: "InitialMargin",
    20030: "PriceNotFresh",
    20031: "LotsOutOfRange",
    20032: "InAuction",
    20035: "part, goes on",
    20036: "part, goes on",
    20041: "InitialMargin",
    20047: "PriceStale",
    20049: "all, ended",
    20056: "all, ended",
    20067: "HealthFell",
    20081: "ProofSpent",
    20118: "ZeroLots",
    20128: "HealthFell",
    20214: "InitialMargin",
    20239: "all, ended",
    20247: "InitialMargin",
    20289: "all, goes on",
    20313: "ProofSpent",
    20384: "part, ended",
    20712: "TooManyPositions",
    20789: "TooManyPages",
}


@pytest.fixture(scope="module")
def world() -> SaleWorld:
    return SaleWorld()


@given(seed=st.integers(0, 2**32))
def test_INV_19_a_purchase_equals_the_reference(world: SaleWorld, seed: int) -> None:
    event(world.both(sale_case(seed)))


def test_INV_19_purchases_of_every_outcome_equal_the_reference(world: SaleWorld) -> None:
    assert {seed: world.both(sale_case(seed)) for seed in FOUND} == FOUND
