"""Whatever a node says about a failed call, the custom error in it is found."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from web3.exceptions import ContractCustomError, ContractLogicError, Web3RPCError

from seawall.chain.codec import encode_values, selector_of
from seawall.chain.reverts import Reverted, decode_revert, known_errors, revert_data
from seawall.chain.rpc import calling
from seawall.errors import InputError, RpcError


def rpc_error(data: Any) -> Web3RPCError:
    response: Any = {"error": {"code": 3, "message": "x", "data": data}}
    return Web3RPCError("x", rpc_response=response)


def payload(name: str, *values: Any) -> bytes:
    item = next(item for item in known_errors().values() if item["name"] == name)
    return selector_of(item) + encode_values(item["inputs"], values, what=name)


EXPIRED = payload("ManifestExpired", 10, 20)


@pytest.mark.parametrize(
    "error",
    [
        ContractCustomError("0x" + EXPIRED.hex(), data="0x" + EXPIRED.hex()),
        ContractLogicError("execution reverted", data="0x" + EXPIRED.hex()),
        rpc_error("0x" + EXPIRED.hex()),
        rpc_error({"data": "0x" + EXPIRED.hex()}),
        Exception(f"execution reverted: 0x{EXPIRED.hex()}"),
        Exception(f"execution reverted: {EXPIRED!r}"),
    ],
)
def test_the_custom_error_is_found_wherever_a_node_puts_it(error: Exception) -> None:
    with pytest.raises(Reverted) as caught, calling("Oracle.activate"):
        raise error
    assert (caught.value.name, caught.value.arguments) == (
        "ManifestExpired",
        {"validUntil": 10, "timestamp": 20},
    )
    assert str(caught.value) == "Oracle.activate reverted: ManifestExpired(validUntil=10, timestamp=20)"


@pytest.mark.parametrize(
    ("name", "values", "arguments"),
    [("Error", ("no",), {"reason": "no"}), ("Panic", (0x11,), {"code": 17})],
)
def test_the_compilers_own_errors_are_known(
    name: str, values: tuple[Any, ...], arguments: dict[str, Any]
) -> None:
    found = decode_revert(payload(name, *values))
    assert (found.name, found.arguments) == (name, arguments)


def test_an_unknown_selector_is_shown_and_an_empty_revert_is_admitted() -> None:
    assert "0xdeadbeef" in str(decode_revert(bytes.fromhex("deadbeef00")))
    assert "without a reason" in str(decode_revert(b""))


def test_an_error_that_is_no_revert_is_not_taken_for_one() -> None:
    assert revert_data(ConnectionError("refused")) is None
    assert revert_data(ValueError("Sender b'~_ER' cannot afford 0x" + "11" * 32)) is None
    with pytest.raises(RpcError, match="refused nonce"), calling("nonce"):
        raise ValueError("nonce too low")


def test_a_programming_error_passes_through() -> None:
    with pytest.raises(KeyError), calling("x"):
        raise KeyError("x")


def test_a_revert_survives_pickling_and_is_a_callers_mistake() -> None:
    error = decode_revert(EXPIRED, what="x")
    back = pickle.loads(pickle.dumps(error))
    assert (back.name, back.arguments, str(back)) == (error.name, error.arguments, str(error))
    assert isinstance(error, InputError)


def test_errors_of_libraries_the_contracts_link_are_known() -> None:
    names = {item["name"] for item in known_errors().values()}
    assert {
        "InitialMargin",
        "AccountHealthy",
        "ERC20InsufficientBalance",
        "AccessManagedUnauthorized",
    } <= names
