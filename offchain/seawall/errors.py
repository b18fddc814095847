"""Every exception Seawall raises on purpose, sorted by what the caller must do.

::

    SeawallError
    ├── InputError               fix the input; trying again changes nothing
    │   ├── ConfigError          a setting is out of range or contradicts another
    │   ├── DataError            market data or an array is missing, malformed or too short
    │   └── PageError            a page, manifest or certificate does not encode, decode or verify
    ├── RetryLater               wait; the world has to change, not the input
    │   ├── RpcError             a node or an exchange did not answer, or not in time
    │   ├── StaleError           an observation or a manifest is older than its limit
    │   └── QuorumError          fewer signatures than the threshold, so far
    └── StopError                stop and page someone; going on could do harm
        ├── EquivocationRisk     signing now could contradict something signed before
        ├── ConsistencyError     two computations of the same thing disagree
        └── StoreError           durable state cannot be read or written, so promises cannot be kept
"""

__all__ = [
    "ConfigError",
    "ConsistencyError",
    "DataError",
    "EquivocationRisk",
    "InputError",
    "PageError",
    "QuorumError",
    "RetryLater",
    "RpcError",
    "SeawallError",
    "StaleError",
    "StopError",
    "StoreError",
]


class SeawallError(Exception):
    """Stand at the root of everything Seawall raises on purpose."""


class InputError(SeawallError):
    """Ask the caller to fix the input."""


class ConfigError(InputError):
    """Reject a setting that is out of range or contradicts another."""


class DataError(InputError):
    """Reject market data or an array that is missing, malformed or too short."""


class PageError(InputError):
    """Reject a page, manifest or certificate that does not encode, decode or verify."""


class RetryLater(SeawallError):
    """Ask the caller to wait and try again."""


class RpcError(RetryLater):
    """Report a node or an exchange that did not answer, or not in time."""


class StaleError(RetryLater):
    """Report an observation or a manifest older than its limit."""


class QuorumError(RetryLater):
    """Report fewer signatures than the threshold, so far."""


class StopError(SeawallError):
    """Ask the caller to stop and page someone."""


class EquivocationRisk(StopError):
    """Refuse to sign what could contradict an earlier signature."""


class ConsistencyError(StopError):
    """Report two computations of the same thing that disagree."""


class StoreError(StopError):
    """Report durable state that cannot be read or written."""
