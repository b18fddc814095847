"""Settings: who wins, what is refused, what is never shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_account import Account

from seawall.config import load_config
from seawall.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]
SECRET = "hunter2-access-key"


@pytest.fixture(autouse=True)
def no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("SEAWALL__")]:
        monkeypatch.delenv(name)


def written(folder: Path, text: str) -> Path:
    path = folder / "seawall.yaml"
    path.write_text(text)
    return path


def test_the_command_line_wins_over_the_environment_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "chain: {chain_id: 1, timeout_s: 1, deployment: a.json}")
    monkeypatch.setenv("SEAWALL__CHAIN__CHAIN_ID", "2")
    monkeypatch.setenv("SEAWALL__CHAIN__TIMEOUT_S", "2")
    chain = load_config(path, overrides={"chain": {"chain_id": 3}}).chain
    assert (chain.chain_id, chain.timeout_s, chain.deployment) == (3, 2, tmp_path / "a.json")


def test_paths_are_relative_to_the_file_even_when_it_leaves_them_out(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, "chain: {chain_id: 1}"))
    assert config.chain.deployment == tmp_path / "deployment.json"
    assert config.keeper.store == tmp_path / "keeper.sqlite"


def test_the_example_file_is_sound() -> None:
    config = load_config(ROOT / "docs" / "seawall.example.yaml")
    assert config.chain.chain_id == 31337
    assert config.keys.signer is not None


def test_without_a_file_there_are_defaults() -> None:
    assert load_config().chain.rpc_urls == ()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("chain: {rpc_url: x}", r"unknown setting chain\.rpc_url\. Fix: did you mean chain\.rpc_urls\?"),
        ("chian: {chain_id: 1}", "unknown setting chian. Fix: did you mean chain"),
        ("keys: {signer: {key: '0x01'}}", r"unknown setting keys\.signer\.key"),
        ("chain: {chain_id: 0}", r"setting chain\.chain_id: input should be greater than 0"),
        ("fees: {max_fee_gwei: 1, priority_fee_gwei: 2}", "priority_fee_gwei is above max_fee_gwei"),
        (
            "fees: {priority_fee_gwei: 2, max_priority_fee_gwei: 1}",
            "priority_fee_gwei is above max_priority_fee_gwei",
        ),
        ("fees: {bump_permille: 100}", r"setting fees\.bump_permille"),
        ("- 1", "must hold sections"),
        ("a: [", "is not YAML in line 1"),
    ],
)
def test_a_bad_file_is_one_line_that_names_the_key_and_the_fix(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        load_config(written(tmp_path, text))
    assert "Fix:" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("SEAWALL__CHAIN__CHAIN_IDD", "1", "did you mean SEAWALL__CHAIN__CHAIN_ID"),
        ("SEAWALL__CHAIN__CHAIN_ID", "one", r"setting chain\.chain_id"),
        ("SEAWALL__CHAIN__RPC_URLS", "http://x", "write lists as JSON"),
    ],
)
def test_a_bad_variable_is_one_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, complaint: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=complaint):
        load_config()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*absent\.yaml"):
        load_config(tmp_path / "absent.yaml")


def test_what_is_shown_holds_no_secret(tmp_path: Path) -> None:
    text = f"""
chain: {{rpc_urls: ["https://user:{SECRET}@node.example/v2/{SECRET}?key={SECRET}", "http://127.0.0.1:8545"]}}
keys: {{signer: {{keystore: a.json, passphrase_file: /{SECRET}}}}}
"""
    shown = load_config(written(tmp_path, text)).redacted()
    assert SECRET not in json.dumps(shown)
    assert shown["chain"]["rpc_urls"] == ["https://node.example/***", "http://127.0.0.1:8545"]


def test_a_keystore_opens_with_its_passphrase_and_with_no_other(tmp_path: Path) -> None:
    account = Account.from_key(b"\x07" * 32)
    encrypted = Account.encrypt(account.key, "right", kdf="pbkdf2", iterations=10)
    (tmp_path / "key.json").write_text(json.dumps(encrypted))
    (tmp_path / "pass").write_text("right\n")
    (tmp_path / "wrong").write_text("wrong")
    text = "keys: {{signer: {{keystore: key.json, passphrase_file: {}}}}}"

    def signer(passphrase_file: str) -> str:
        key = load_config(written(tmp_path, text.format(passphrase_file))).keys.signer
        assert key is not None
        return str(key.unlock().address)

    assert signer("pass") == account.address
    with pytest.raises(ConfigError, match=r"key\.json does not open with wrong"):
        signer("wrong")
    with pytest.raises(ConfigError, match="cannot read"):
        signer("absent")
    (tmp_path / "key.json").write_text("{}")
    with pytest.raises(ConfigError, match="does not open"):
        signer("pass")
