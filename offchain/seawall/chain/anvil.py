"""Runs anvil as a child process on a free loopback port and ends it, by its process id, with this one."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from seawall.chain.devchain import BLOCK_GAS_LIMIT, RpcChain
from seawall.errors import ConfigError, RpcError

__all__ = ["find_anvil", "start_anvil"]

START_TIMEOUT_S = 20.0


def find_anvil() -> Path | None:
    """Return anvil from `SEAWALL_ANVIL`, the PATH, or node_modules of the working tree, in this order."""
    if override := os.environ.get("SEAWALL_ANVIL"):
        return Path(override)
    if found := shutil.which("anvil"):
        return Path(found)
    for folder in (Path.cwd(), *Path(__file__).resolve().parents):
        candidate = folder / "node_modules" / ".bin" / "anvil"
        if candidate.exists():
            return candidate
    return None


def start_anvil(*, timestamp: int, accounts: int = 20) -> RpcChain:
    """Start anvil at a timestamp and return the chain it serves; closing the chain ends it.

    Raises
    ------
    ConfigError
        When there is no anvil.
    RpcError
        When it does not come up in time.
    """
    binary = find_anvil()
    if binary is None:
        raise ConfigError(
            "anvil is not installed. Fix: npm ci (or put anvil on PATH), or use --chain eth-tester"
        )
    port = _free_port()
    log = tempfile.TemporaryFile()  # noqa: SIM115 - the child writes to it for as long as it lives
    command = [str(binary), "--host", "127.0.0.1", "--port", str(port), "--timestamp", str(timestamp)]
    command += ["--hardfork", "cancun", "--gas-limit", str(BLOCK_GAS_LIMIT), "--accounts", "1"]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    except OSError as error:
        raise ConfigError(
            f"{binary} does not run ({error}). Fix: npm ci, or use --chain eth-tester"
        ) from error

    def stop() -> None:
        _end(process)
        log.close()
        atexit.unregister(stop)

    atexit.register(stop)
    try:
        chain = _connect(f"http://127.0.0.1:{port}", process, log_tail=lambda: _tail(log))
    except BaseException:
        stop()
        raise
    chain.kind = "anvil"
    chain._on_close = stop
    chain.prepare_development(accounts)
    return chain


def _connect(url: str, process: subprocess.Popen[bytes], *, log_tail: Callable[[], str]) -> RpcChain:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            return RpcChain(url)
        except RpcError as error:
            if process.poll() is not None:
                raise ConfigError(f"anvil stopped at once: {log_tail()}. Fix: npm ci") from error
            if time.monotonic() > deadline:
                raise RpcError(f"anvil did not answer within {START_TIMEOUT_S:.0f} s") from error
            time.sleep(0.05)


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "no output")[:200]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process group: the npm package starts the real anvil as a child of its own."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
            process.wait(timeout=5)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
