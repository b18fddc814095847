"""A keeper never signs two payloads for one epoch, whatever is killed or restarted."""

from pathlib import Path

import pytest

from seawall.errors import EquivocationRisk, StoreError
from seawall.keeper.store import SignatureStore

KEY = {"chain_id": 1, "contract": "0xAb", "signer": "0xCd", "epoch": 7}


def signature_of(digest: bytes) -> bytes:
    return b"signed " + digest


def test_another_digest_for_a_signed_epoch_is_refused(tmp_path: Path) -> None:
    store = SignatureStore(tmp_path / "keeper.sqlite")
    store.sign_once(b"first", signature_of, **KEY)
    with pytest.raises(EquivocationRisk, match="epoch 7"):
        store.sign_once(b"second", signature_of, **KEY)


def test_the_promise_survives_a_restart(tmp_path: Path) -> None:
    SignatureStore(tmp_path / "keeper.sqlite").sign_once(b"first", signature_of, **KEY)
    with pytest.raises(EquivocationRisk):
        SignatureStore(tmp_path / "keeper.sqlite").sign_once(b"second", signature_of, **KEY)


def test_a_crash_before_the_signature_leaves_nothing_lost(tmp_path: Path) -> None:
    def crash(_: bytes) -> bytes:
        raise KeyboardInterrupt

    store = SignatureStore(tmp_path / "keeper.sqlite")
    with pytest.raises(KeyboardInterrupt):
        store.sign_once(b"first", crash, **KEY)
    assert store.sign_once(b"first", signature_of, **KEY) == b"signed first"
    with pytest.raises(EquivocationRisk):
        store.sign_once(b"second", signature_of, **KEY)


def test_the_digest_is_on_disk_before_the_signature_exists(tmp_path: Path) -> None:
    path = tmp_path / "keeper.sqlite"

    def look(digest: bytes) -> bytes:
        with pytest.raises(EquivocationRisk):
            SignatureStore(path).sign_once(b"second", signature_of, **KEY)
        return signature_of(digest)

    assert SignatureStore(path).sign_once(b"first", look, **KEY) == b"signed first"


def test_address_case_makes_no_second_identity(tmp_path: Path) -> None:
    store = SignatureStore(tmp_path / "keeper.sqlite")
    store.sign_once(b"first", signature_of, **KEY)
    with pytest.raises(EquivocationRisk):
        store.sign_once(b"second", signature_of, **{**KEY, "contract": "0xaB", "signer": "0xcD"})


def test_other_epochs_chains_and_contracts_are_separate(tmp_path: Path) -> None:
    store = SignatureStore(tmp_path / "keeper.sqlite")
    store.sign_once(b"first", signature_of, **KEY)
    for change in ({"epoch": 8}, {"chain_id": 2}, {"contract": "0xEf"}):
        assert store.sign_once(b"second", signature_of, **{**KEY, **change}) == b"signed second"


def test_a_store_that_cannot_be_opened_names_the_fix(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="fix its folder"):
        SignatureStore(tmp_path / "file" / "keeper.sqlite")
