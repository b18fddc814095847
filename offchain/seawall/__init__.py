"""Dynamic initial margin for on-chain derivatives: models, keeper, liquidator, bindings to the contracts."""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["__version__"]

try:
    __version__ = version("seawall")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0"
