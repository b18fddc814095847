"""Bad input ends in one clear line with the fix and the exit code for it, never in a traceback."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import requests

from seawall import cli
from seawall.chain.deployment import Deployment
from seawall.chain.rpc import calling, connect, connect_any
from seawall.errors import ConfigError, EquivocationRisk, RpcError, SeawallError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def node() -> Iterator[str]:
    """Serve chain 5 and nothing else on loopback."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer: dict[str, Any] = {"jsonrpc": "2.0", "id": asked["id"], "result": "0x5"}
            if asked["method"] != "eth_chainId":
                answer = {
                    "jsonrpc": "2.0",
                    "id": asked["id"],
                    "error": {"code": -32601, "message": "no such method"},
                }
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Stay silent."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    """Return standard error, which must be one line that names a fix."""
    text = capsys.readouterr().err
    assert text.startswith("error: ")
    assert text.count("\n") == 1
    assert "Traceback" not in text
    assert "Fix:" in text
    return text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["fly"], "No such command"),
        (["demo", "--chain", "ganache"], "ganache"),
        (["demo", "--from", "yesterday"], "yesterday"),
        (["demo", "--from", "2018-02-01", "--to", "2018-01-01"], "is not after"),
        (["keeper", "once"], "keys.signer"),
        (["keeper", "run", "--config", "absent.yaml"], "absent.yaml"),
        (["inspect", "manifest"], "no RPC endpoint"),
        (["inspect", "page", "nonsense"], "neither a file nor a page id"),
        (["inspect", "account", "0x12"], "no account"),
        (["certificate", "0x12"], "no account"),
        (["certificate", "0x" + "12" * 20], "no RPC endpoint"),
        (["inspect", "manifest", "--rpc", "localhost"], "not an RPC URL"),
        (["deploy", "--plan", "absent.yaml"], "absent.yaml"),
        (["config", "show", "--config", "absent.yaml"], "absent.yaml"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == cli.EXIT_USAGE
    assert says in complaint(capsys)


def test_a_node_that_is_down_means_retry(capsys: pytest.CaptureFixture[str], closed_port: int) -> None:
    url = f"http://127.0.0.1:{closed_port}"
    assert cli.main(["inspect", "manifest", "--rpc", url]) == cli.EXIT_RETRY
    assert f"{url} did not answer eth_chainId (connection refused)" in complaint(capsys)


def test_a_node_of_another_chain_is_refused_with_both_ids(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, node: str
) -> None:
    config = tmp_path / "seawall.yaml"
    config.write_text(f"chain: {{rpc_urls: ['{node}'], chain_id: 9}}")
    assert cli.main(["inspect", "manifest", "--config", str(config)]) == cli.EXIT_USAGE
    assert "serves chain 5, not 9" in complaint(capsys)


def test_a_deployment_of_another_chain_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, node: str
) -> None:
    config = tmp_path / "seawall.yaml"
    config.write_text(f"chain: {{rpc_urls: ['{node}'], chain_id: 5}}")
    assert cli.main(["inspect", "manifest", "--config", str(config)]) == cli.EXIT_USAGE
    assert "cannot read the deployment" in complaint(capsys)
    Deployment(chain_id=7, block=0, addresses={}, artifacts={}).save(tmp_path / "deployment.json")
    assert cli.main(["inspect", "manifest", "--config", str(config)]) == cli.EXIT_USAGE
    assert "is on chain 7, the node serves chain 5" in complaint(capsys)


def test_a_node_without_a_clock_is_not_taken_for_a_development_node(
    capsys: pytest.CaptureFixture[str], node: str
) -> None:
    from seawall.chain.devchain import open_chain

    with pytest.raises(ConfigError, match="Fix: use a development node"):
        open_chain("rpc", timestamp=0, url=node)


def test_one_endpoint_that_answers_is_enough(node: str, closed_port: int) -> None:
    down = f"http://127.0.0.1:{closed_port}"
    assert len(connect_any([down, node], chain_id=5)) == 1
    with pytest.raises(RpcError):
        connect_any([down, down])


def test_access_keys_in_urls_stay_out_of_messages(closed_port: int) -> None:
    with pytest.raises(RpcError) as caught:
        connect(f"http://127.0.0.1:{closed_port}/v2/s3cret?key=s3cret")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (requests.HTTPError("401 Client Error: Unauthorized for url: https://node/v3/s3cret"), "HTTPError"),
        (
            requests.exceptions.SSLError("Max retries exceeded with url: /v3/s3cret (Caused by ...)"),
            "SSLError",
        ),
        (requests.exceptions.InvalidURL("Invalid URL 'https://s3cret'"), "InvalidURL"),
    ],
)
def test_what_a_request_says_of_its_failure_gives_no_access_key_away(error: Exception, says: str) -> None:
    with pytest.raises(RpcError, match=says) as caught, calling("eth_chainId"):
        raise error
    assert "s3cret" not in str(caught.value)


def test_a_node_that_goes_away_is_an_error_one_waits_out_and_its_key_is_not_shown(
    node: str, closed_port: int
) -> None:
    w3 = connect(node, chain_id=5)
    w3.provider.endpoint_uri = f"http://127.0.0.1:{closed_port}/v3/s3cret"
    for ask in (lambda: w3.eth.get_block("latest"), lambda: w3.eth.get_code("0x" + "11" * 20)):
        with pytest.raises(RpcError, match="did not answer") as caught:
            ask()
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://user:s3cret", "http://[s3cret", "ftp://node/s3cret", "s3cret", "http:///v3/s3cret"]
)
def test_a_malformed_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        connect(url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x. Fix: y"), 2),
        (RpcError("x. Fix: y"), 3),
        (EquivocationRisk("x. Fix: y"), 4),
        (SeawallError("x. Fix: y"), 1),
        (ZeroDivisionError("x"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_codes_say_what_the_caller_must_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    @click.command("fail")
    def fail() -> None:
        raise error

    monkeypatch.setitem(cli.root.commands, "fail", fail)
    monkeypatch.delenv("SEAWALL_DEBUG", raising=False)
    assert cli.main(["fail"]) == code
    text = capsys.readouterr().err
    assert text.strip().startswith("error: ")
    assert "Traceback" not in text


def test_the_traceback_is_there_for_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command("fail")
    def fail() -> None:
        raise ConfigError("x")

    monkeypatch.setitem(cli.root.commands, "fail", fail)
    monkeypatch.setenv("SEAWALL_DEBUG", "1")
    with pytest.raises(ConfigError):
        cli.main(["fail"])


def test_settings_are_shown_and_checked(capsys: pytest.CaptureFixture[str]) -> None:
    example = str(ROOT / "docs" / "seawall.example.yaml")
    assert cli.main(["config", "show", "--config", example, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["chain"]["chain_id"] == 31337
    assert shown["keys"]["payer"]["passphrase_file"] == "***"
    assert cli.main(["config", "show", "--config", example]) == 0


def test_a_plan_can_be_checked_without_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    plan = str(ROOT / "docs" / "deployment.example.yaml")
    assert cli.main(["deploy", "--plan", plan, "--dry-run"]) == 0
    assert "5 of 7 signers" in capsys.readouterr().out


def test_help_names_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    assert "4 stop and page someone" in " ".join(capsys.readouterr().out.split())
