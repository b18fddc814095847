"""Connects to a node, and says in one line what is wrong when that fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from eth_utils.exceptions import ValidationError
from web3 import Web3
from web3.exceptions import (
    BlockNotFound,
    ContractLogicError,
    RequestTimedOut,
    TransactionNotFound,
    Web3Exception,
)
from web3.middleware import AttributeDictMiddleware
from web3.providers.base import BaseProvider
from web3.providers.rpc import HTTPProvider
from web3.types import RPCEndpoint, RPCResponse

from seawall.chain.reverts import decode_revert, revert_data
from seawall.errors import ConfigError, RpcError, SeawallError

__all__ = ["calling", "connect", "connect_any", "plain_web3", "redact_url"]


def plain_web3(provider: BaseProvider) -> Web3:
    """Return a Web3 that adds no requests of its own: no name service, fee strategy or chain-id check at each call."""
    return Web3(provider, middleware=[AttributeDictMiddleware])


def redact_url(url: str) -> str:
    """Return scheme, host and port of a URL; what follows often holds an access key. Of what is no URL, nothing."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:  # as where a password has no @ behind it
        return "***"
    host = parts.hostname or "?"
    hidden = "/***" if parts.path.strip("/") or parts.query or parts.username else ""
    return f"{parts.scheme}://{host}{port}{hidden}"


def connect(url: str, *, chain_id: int | None = None, timeout_s: float = 10.0) -> Web3:
    """Return a connection to a node that answered and serves the expected chain.

    Raises
    ------
    ConfigError
        When the URL is malformed or the node serves another chain.
    RpcError
        When nothing answers.
    """
    shown = redact_url(url)
    if not shown.startswith(("http://", "https://")) or not urlsplit(url).hostname:
        raise ConfigError(f"not an RPC URL: {shown}. Fix: give http://host:port or https://...")
    provider = _Node(url, request_kwargs={"timeout": timeout_s}, exception_retry_configuration=None)
    w3 = plain_web3(provider)
    with calling("eth_chainId", where=redact_url(url)):
        found = w3.eth.chain_id
    if chain_id is not None and found != chain_id:
        raise ConfigError(
            f"{redact_url(url)} serves chain {found}, not {chain_id}. "
            f"Fix: correct chain.rpc_urls or set chain.chain_id to {found}"
        )
    return w3


def connect_any(urls: Sequence[str], *, chain_id: int | None = None, timeout_s: float = 10.0) -> list[Web3]:
    """Return connections to all endpoints that answer, in order; one that serves another chain is an error.

    Raises
    ------
    RpcError
        When none answers.
    """
    if not urls:
        raise ConfigError(
            "no RPC endpoint is set. Fix: set chain.rpc_urls in the configuration or pass --rpc URL"
        )
    found: list[Web3] = []
    last: RpcError | None = None
    for url in urls:
        try:
            found.append(connect(url, chain_id=chain_id, timeout_s=timeout_s))
        except RpcError as error:
            last = error
    if not found and last is not None:
        raise last
    return found


class _Node(HTTPProvider):
    """Raise `RpcError` when nothing answers, whoever asks: other errors end a process, and show the URL."""

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Send a request."""
        with calling(str(method), where=redact_url(str(self.endpoint_uri))):
            return super().make_request(method, params)

    def is_connected(self, show_traceback: bool = False) -> bool:
        """Say whether the node answers."""
        try:
            return super().is_connected(show_traceback)
        except RpcError:
            if show_traceback:
                raise
            return False


@contextmanager
def calling(what: str, *, where: str = "the node") -> Iterator[None]:
    """Turn whatever a call to a node raises into `Reverted` or `RpcError`."""
    try:
        yield
    except (SeawallError, TransactionNotFound, BlockNotFound):
        raise
    except (requests.RequestException, ConnectionError, TimeoutError, RequestTimedOut) as error:
        raise RpcError(
            f"{where} did not answer {what} ({_reason(error)}). Fix: start the node or correct the RPC URL"
        ) from error
    except Exception as error:
        data = revert_data(error)
        if data is not None:
            raise decode_revert(data, what=what) from error
        if isinstance(error, ContractLogicError):
            raise decode_revert(b"", what=what) from error
        if isinstance(error, Web3Exception | ValidationError | ValueError):
            raise RpcError(f"{where} refused {what}: {_reason(error)}") from error
        raise


def _reason(error: BaseException) -> str:
    """Return why in few words; what `requests` says itself names the whole URL, access key and all."""
    text = str(error) or type(error).__name__
    for sign, reason in (
        ("Connection refused", "connection refused"),
        ("Name or service not known", "unknown host"),
        ("Temporary failure in name resolution", "unknown host"),
        ("timed out", "timed out"),
    ):
        if sign in text:
            return reason
    if isinstance(error, requests.RequestException):
        status = None if error.response is None else error.response.status_code
        return type(error).__name__ if status is None else f"HTTP status {status}"
    return text.splitlines()[0][:200]
