"""Which tokens may be listed as collateral."""

from __future__ import annotations

import pytest
from eth_utils.abi import function_abi_to_4byte_selector
from hypothesis import given
from hypothesis import strategies as st
from tests.support.evm import Contract, Evm, Revert, role
from tests.support.oracle_world import NOW, govern, manager
from tests.support.system import GOVERNOR, GOVERNOR_ROLE, GUARDIAN

from seawall.page.layout import Kind

STRANGER = role("stranger")


@pytest.fixture(scope="module")
def registry() -> Contract:
    """One underlying of a lot of 1e-4, another of 1e-19, both with a probe; and one page without."""
    evm = Evm(timestamp=NOW)
    authority, feed = manager(evm), evm.deploy("ScriptedFeed")
    registry = evm.deploy("InstrumentRegistry", feed, 100, authority)
    govern(authority, registry)
    selector = function_abi_to_4byte_selector(registry.function("listCollateral", 3))
    authority.setTargetFunctionRole(registry, [selector], GOVERNOR_ROLE)
    for underlying, lot_size in enumerate((10**14, 1, 10**18)):
        feed.setAnchored(underlying, True)
        registry.listUnderlying(f"U{underlying}".encode().ljust(32, b"\0"), lot_size, sender=GOVERNOR)
        registry.addPage(underlying, sender=GOVERNOR)
    for page in (0, 1):
        registry.listInstrument(page, Kind.PERPETUAL, 0, 0, 0, sender=GOVERNOR)
    return registry


@given(st.integers(0, 40))
def test_a_lot_is_a_whole_number_of_units_or_the_token_is_not_listed(
    registry: Contract, decimals: int
) -> None:
    for page, lot_size in ((0, 10**14), (1, 1)):
        with registry.evm.isolated():
            token = registry.evm.deploy("CollateralToken", decimals)
            units, rest = divmod(lot_size * 10**decimals, 10**18)
            if units and not rest and decimals <= 36:
                slot = registry.listCollateral(page, 7, token, sender=GOVERNOR)
                assert tuple(registry.collateral(page, slot)) == (token.address, units)
                assert registry.terms(page, slot) == Kind.SPOT | 7 << 3 | 1 << 8
                continue
            with pytest.raises(Revert, match="LotNotWhole"):
                registry.listCollateral(page, 7, token, sender=GOVERNOR)


def test_collateral_follows_the_probe_and_only_the_governor_lists_it(registry: Contract) -> None:
    with registry.evm.isolated():
        token = registry.evm.deploy("CollateralToken", 18)
        with pytest.raises(Revert, match="ProbeMissing"):
            registry.listCollateral(2, 0, token, sender=GOVERNOR)
        with pytest.raises(Revert, match=r"UnknownPage\(3\)"):
            registry.listCollateral(3, 0, token, sender=GOVERNOR)
        with pytest.raises(Revert, match=r"ShiftOutOfRange\(32\)"):
            registry.listCollateral(0, 32, token, sender=GOVERNOR)
        for sender in (STRANGER, GUARDIAN):
            with pytest.raises(Revert, match="AccessManagedUnauthorized"):
                registry.listCollateral(0, 0, token, sender=sender)
        slot = registry.listCollateral(0, 0, token, sender=GOVERNOR)
        assert tuple(registry.probe(0)) == (0, 0)
        for place in ((0, 0), (0, slot + 1), (9, 0)):
            with pytest.raises(Revert, match="NotCollateral"):
                registry.collateral(*place)
