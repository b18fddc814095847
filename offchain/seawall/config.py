"""Reads the operator's settings: command line over environment over file, unknown keys refused, secrets never printed.

Environment variables are `SEAWALL__SECTION__KEY`, for example `SEAWALL__CHAIN__CHAIN_ID=10`. Paths in the file are
relative to the file. Keys are keystore files with a passphrase file beside them; a raw key is never a setting.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, get_args

import yaml
from eth_account import Account
from eth_account.signers.local import LocalAccount
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from seawall.errors import ConfigError

__all__ = [
    "ChainConfig",
    "Config",
    "FeesConfig",
    "KeeperConfig",
    "KeyFile",
    "KeysConfig",
    "LogConfig",
    "load_config",
]

ENV_PREFIX = "SEAWALL__"
REDACTED = "***"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChainConfig(_Section):
    """Where the chain is and which contracts on it are ours."""

    rpc_urls: tuple[str, ...] = ()
    chain_id: int | None = Field(default=None, gt=0)
    deployment: Path = Path("deployment.json")
    timeout_s: float = Field(default=10.0, gt=0, le=120)


class FeesConfig(_Section):
    """What a transaction may cost and how long it may take."""

    max_fee_gwei: float = Field(default=50.0, gt=0)
    priority_fee_gwei: float = Field(default=0.05, ge=0)
    max_priority_fee_gwei: float | None = Field(default=None, ge=0)
    bump_permille: int = Field(default=125, ge=125, le=1000)
    replace_after_s: float = Field(default=30.0, gt=0)
    timeout_s: float = Field(default=180.0, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.priority_fee_gwei > self.max_fee_gwei:
            raise ValueError("priority_fee_gwei is above max_fee_gwei")
        if self.max_priority_fee_gwei is not None and self.priority_fee_gwei > self.max_priority_fee_gwei:
            raise ValueError("priority_fee_gwei is above max_priority_fee_gwei")
        return self


class KeyFile(_Section):
    """An encrypted key: an Ethereum keystore file and a file that holds its passphrase."""

    keystore: Path
    passphrase_file: Path

    def unlock(self) -> LocalAccount:
        """Return the account.

        Raises
        ------
        ConfigError
            When a file cannot be read or the passphrase does not open it.
        """
        try:
            encrypted = self.keystore.read_text(encoding="utf-8")
            passphrase = self.passphrase_file.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise ConfigError(f"cannot read {error.filename}: {error.strerror}. Fix: correct keys") from error
        try:
            account: LocalAccount = Account.from_key(Account.decrypt(encrypted, passphrase))
        except (ValueError, TypeError, KeyError) as error:
            raise ConfigError(
                f"{self.keystore.name} does not open with {self.passphrase_file.name}. "
                "Fix: give the passphrase of that keystore"
            ) from error
        return account


class KeysConfig(_Section):
    """Keys: one signs manifests and prices, another pays gas, so that neither does both."""

    signer: KeyFile | None = None
    payer: KeyFile | None = None


class KeeperConfig(_Section):
    """How a keeper works."""

    interval_s: float = Field(default=300.0, gt=0)
    leader_timeout_s: float = Field(default=60.0, gt=0)
    store: Path = Path("keeper.sqlite")
    mailbox: Path = Path("mailbox")
    requests: Path = Path("requests")
    books: Path = Path("books.sqlite")
    market_data: Path | None = None
    implied_data: Path | None = None
    implied_max_age_s: int = Field(default=3600, gt=0)
    depth_data: Path | None = None
    chain_data: Path | None = None
    perpetual_data: Path | None = None
    hedges: Path | None = None
    hedges_every_h: float = Field(default=24.0, ge=0, le=24 * 365)
    hedges_timeout_s: float = Field(default=1800.0, gt=0)


class LogConfig(_Section):
    """What is written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "text"] = "auto"


class Config(BaseSettings):
    """Everything an operator can set."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
    )

    chain: ChainConfig = ChainConfig()
    fees: FeesConfig = FeesConfig()
    keys: KeysConfig = KeysConfig()
    keeper: KeeperConfig = KeeperConfig()
    log: LogConfig = LogConfig()

    def redacted(self) -> dict[str, Any]:
        """Return the settings as plain values, with whatever could hold a secret hidden."""
        from seawall.chain.rpc import redact_url

        shown: dict[str, Any] = self.model_dump(mode="json")
        shown["chain"]["rpc_urls"] = [redact_url(url) for url in self.chain.rpc_urls]
        for key in shown["keys"].values():
            if key is not None:
                key["passphrase_file"] = REDACTED
        return shown


def load_config(
    path: Path | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Config:
    """Return the settings of a YAML file, under the environment's, under `overrides` (nested like the file).

    Raises
    ------
    ConfigError
        When the file cannot be read, or a setting is unknown or out of range; one line a problem, with the fix.
    """
    _check_environment(os.environ if environment is None else environment)
    values = {} if path is None else _read(path)

    class Loaded(Config):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=dict(values))

    try:
        loaded = Loaded(**dict(overrides or {}))
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(problem) for problem in error.errors())) from None
    except SettingsError as error:
        raise ConfigError(
            f"{error}. Fix: write lists as JSON, for example '[\"http://127.0.0.1:8545\"]'"
        ) from None
    return Config.model_construct(**{name: getattr(loaded, name) for name in Config.model_fields})


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}. Fix: correct --config") from error
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path.name} is not YAML{line}. Fix: correct it") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path.name} must hold sections such as `chain:`. Fix: see docs/seawall.example.yaml"
        )
    base = path.resolve().parent
    for name, section in Config.model_fields.items():
        given = {} if values.get(name) is None else values[name]
        if isinstance(given, dict) and isinstance(section.default, BaseModel):
            defaults = {key: value for key, value in section.default if isinstance(value, Path)}
            values[name] = {**{key: str(value) for key, value in defaults.items()}, **given}
    return _anchored(values, base, ())


def _anchored(values: Mapping[str, Any], base: Path, where: tuple[str, ...]) -> dict[str, Any]:
    """Return settings with relative paths made absolute by the file's folder."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = (*where, str(key))
        if isinstance(value, Mapping):
            found[str(key)] = _anchored(value, base, name)
        elif isinstance(value, str) and _leaves(Config).get(".".join(name)):
            found[str(key)] = str(base / Path(value).expanduser())
        else:
            found[str(key)] = value
    return found


def _leaves(model: type[BaseModel], prefix: str = "") -> dict[str, bool]:
    """Return every setting's dotted name, and whether it is a path."""
    found: dict[str, bool] = {}
    for name, field in model.model_fields.items():
        kinds = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
        section = next((kind for kind in kinds if issubclass(kind, BaseModel)), None)
        if section is not None:
            found |= _leaves(section, f"{prefix}{name}.")
        else:
            found[prefix + name] = Path in kinds
    return found


def _check_environment(environment: Mapping[str, str]) -> None:
    known = _leaves(Config)
    sections = {name.rsplit(".", depth)[0] for name in known for depth in (1, 2) if name.count(".") >= depth}
    for variable in environment:
        if variable.upper().startswith(ENV_PREFIX):
            name = variable[len(ENV_PREFIX) :].lower().replace("__", ".")
            if name not in known and name not in sections:
                nearest = _nearest(name).upper().replace(".", "__")
                raise ConfigError(f"unknown setting {variable}. Fix: did you mean {ENV_PREFIX}{nearest}?")


def _explain(problem: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"unknown setting {name}. Fix: did you mean {_nearest(name)}?"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"setting {name or 'file'}: {message[:1].lower()}{message[1:]}. Fix: correct it in the file or environment"


def _nearest(name: str) -> str:
    names = sorted(_leaves(Config))
    names += sorted({leaf.split(".")[0] for leaf in names})
    return (difflib.get_close_matches(name, names, n=1, cutoff=0.0) or names)[0]
