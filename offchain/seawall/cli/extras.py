"""Says before long work begins which optional package it would end without."""

from __future__ import annotations

from importlib.util import find_spec

from seawall.errors import ConfigError

__all__ = ["require_packages"]


def require_packages(*packages: str, command: str, extra: str) -> None:
    """Pass if all packages are installed.

    Parameters
    ----------
    packages
        As they are imported.
    command, extra
        What needs them, and which extra of this package brings them.

    Raises
    ------
    ConfigError
        Naming the first that is missing, and what to install.
    """
    for package in packages:
        if find_spec(package) is None:
            raise ConfigError(f"{command} needs {package}. Fix: pip install 'seawall[{extra}]'")
