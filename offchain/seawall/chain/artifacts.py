"""Loads compiled contracts that ship with the package, and links their external libraries.

`scripts/compile.py` writes the files and documents their format.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from seawall.errors import ConfigError

__all__ = ["ARTIFACTS", "Artifact", "artifact_names", "load_artifact"]

ARTIFACTS = Path(__file__).parent / "artifacts"


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """One compiled contract."""

    name: str
    source_name: str
    source_hash: str
    abi: tuple[Mapping[str, Any], ...]
    bytecode: Mapping[str, Any]
    deployed_bytecode: Mapping[str, Any]

    @property
    def libraries(self) -> tuple[str, ...]:
        """Return the names of the external libraries its creation code calls, sorted."""
        return tuple(sorted({name for group in self.bytecode["linkReferences"].values() for name in group}))

    def creation_code(self, libraries: Mapping[str, str] | None = None) -> bytes:
        """Return the creation code with the addresses of its libraries filled in.

        Raises
        ------
        ConfigError
            When an address is missing.
        """
        given = libraries or {}
        code = str(self.bytecode["object"]).removeprefix("0x")
        for group in self.bytecode["linkReferences"].values():
            for library, places in group.items():
                if library not in given:
                    raise ConfigError(f"{self.name} needs the address of library {library}")
                for place in places:
                    start, end = 2 * place["start"], 2 * (place["start"] + place["length"])
                    code = code[:start] + given[library].lower().removeprefix("0x") + code[end:]
        return bytes.fromhex(code)


def artifact_names() -> tuple[str, ...]:
    """Return the names of all compiled contracts, sorted."""
    return tuple(sorted(path.stem for path in ARTIFACTS.rglob("*.json")))


@cache
def load_artifact(name: str) -> Artifact:
    """Return a compiled contract by name.

    Raises
    ------
    ConfigError
        When there is no such artifact, or it cannot be read.
    """
    for folder in (".", "mocks", "examples"):
        path = ARTIFACTS / folder / f"{name}.json"
        if path.exists():
            return _parse(path)
    raise ConfigError(f"the compiled contract {name} is missing. Fix: run `make compile`")


def _parse(path: Path) -> Artifact:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return Artifact(
            name=raw["contractName"],
            source_name=raw["sourceName"],
            source_hash=raw["sourceHash"],
            abi=tuple(raw["abi"]),
            bytecode=raw["bytecode"],
            deployed_bytecode=raw["deployedBytecode"],
        )
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"the artifact {path.name} cannot be read ({error}). Fix: run `make compile`"
        ) from error
