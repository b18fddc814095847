"""Artifacts depend on the sources they name and on nothing else, and the compiler survives large projects."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from eth_utils import function_signature_to_4byte_selector
from pyrevm import EVM

PRAGMA = "// SPDX-License-Identifier: MIT\npragma solidity ^0.8.24;\n"
TOKEN = PRAGMA + (
    'import {Context} from "@openzeppelin/contracts/utils/Context.sol";\n'
    'import {Sum} from "./libraries/Sum.sol";\n'
    "contract Token is Context {\n"
    "  uint256 public immutable start = block.number;\n"
    "  function total(uint256 a) external view returns (uint256) { return Sum.add(a, start); }\n}\n"
)
SUM = (
    PRAGMA
    + "library Sum { function add(uint256 a, uint256 b) external pure returns (uint256) { return a + b; } }\n"
)


@pytest.fixture
def project(compiler: ModuleType, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project of two contracts that link, with this repository's settings and compiler."""
    shutil.copy(root / "pyproject.toml", tmp_path)
    (tmp_path / "node_modules").symlink_to(root / "node_modules")
    (tmp_path / "contracts" / "libraries").mkdir(parents=True)
    (tmp_path / "contracts" / "Token.sol").write_text(TOKEN)
    (tmp_path / "contracts" / "libraries" / "Sum.sol").write_text(SUM)
    monkeypatch.setattr(compiler, "ROOT", tmp_path)
    return tmp_path


def artifact(project: Path, name: str) -> dict[str, Any]:
    return json.loads((project / "offchain/seawall/chain/artifacts" / f"{name}.json").read_text())


def source(compiler: ModuleType, text: str) -> Any:
    return compiler.Source(name="contracts/A.sol", files={"contracts/A.sol": text})


def test_only_what_has_code_of_its_own_gets_an_artifact(compiler: ModuleType) -> None:
    text = """
    // contract Commented {}
    /* library AlsoCommented { function f() external {} } */
    interface IThing { function f() external; }
    abstract contract Base { string s = "contract Quoted {}"; }
    library Inlined { function f() internal {} /* external */ }
    library Linked { function f() external {} }
    contract Thing is Base { }
    """
    assert source(compiler, text).expected == ("Linked", "Thing")


def test_a_file_without_contracts_gets_no_artifact(compiler: ModuleType) -> None:
    assert source(compiler, "struct S { uint256 a; }").expected == ()


def test_compiling_again_does_nothing_until_an_import_changes(
    compiler: ModuleType, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compiler.main([]) == 0
    assert "2 of 2 files compiled" in capsys.readouterr().out
    before = artifact(project, "Token")

    assert compiler.main([]) == 0
    assert "0 of 2 files compiled" in capsys.readouterr().out

    library = project / "contracts" / "libraries" / "Sum.sol"
    library.write_text(SUM.replace("a + b", "b + a"))
    assert compiler.main(["--frozen"]) == 1
    assert compiler.main([]) == 0
    assert artifact(project, "Token")["sourceHash"] != before["sourceHash"]


def test_bytecode_does_not_depend_on_neighbours(compiler: ModuleType, project: Path) -> None:
    assert compiler.main(["Token"]) == 0
    alone = artifact(project, "Token")
    (project / "contracts" / "Aardvark.sol").write_text(
        PRAGMA + "contract Aardvark { uint256 public x = 1; }\n"
    )
    assert compiler.main(["--force"]) == 0
    assert artifact(project, "Token") == alone


def test_check_names_the_contract_whose_artifact_was_altered(
    compiler: ModuleType, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compiler.main(["Sum"]) == 0
    assert compiler.main(["--check", "Sum"]) == 0
    path = project / "offchain/seawall/chain/artifacts/Sum.json"
    altered = artifact(project, "Sum")
    altered["deployedBytecode"]["object"] = altered["deployedBytecode"]["object"][:-2] + "00"
    path.write_text(json.dumps(altered))
    assert compiler.main(["--check", "Sum"]) == 1
    assert "Sum: the artifact is not what" in capsys.readouterr().err


def test_artifacts_of_deleted_contracts_are_removed(compiler: ModuleType, project: Path) -> None:
    (project / "contracts" / "Gone.sol").write_text(PRAGMA + "contract Gone { uint256 public x; }\n")
    assert compiler.main(["Gone"]) == 0
    (project / "contracts" / "Gone.sol").unlink()
    assert compiler.main([]) == 0
    assert not (project / "offchain/seawall/chain/artifacts/Gone.json").exists()


def test_errors_of_the_compiler_are_shown_in_its_words(
    compiler: ModuleType, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "contracts" / "Bad.sol").write_text(PRAGMA + 'import "./Missing.sol";\ncontract Bad { }\n')
    assert compiler.main(["Bad"]) == 1
    assert 'Source "contracts/Missing.sol" not found' in capsys.readouterr().err


def test_the_documented_link_helper_gives_runnable_code(compiler: ModuleType, project: Path) -> None:
    assert compiler.main([]) == 0
    helper = compiler.__doc__.split("    def link", 1)[1]
    scope: dict[str, Any] = {}
    exec("def link" + helper.replace("\n    ", "\n").rstrip(), scope)
    evm = EVM(spec_id="CANCUN")
    deployer = "0x" + "11" * 20
    library = evm.deploy(deployer, bytes.fromhex(artifact(project, "Sum")["bytecode"]["object"][2:]))
    token = artifact(project, "Token")
    contract = evm.deploy(deployer, scope["link"](token["bytecode"], {"Sum": library}))
    selector = function_signature_to_4byte_selector("total(uint256)")
    result = evm.message_call(caller=deployer, to=contract, calldata=selector + (41).to_bytes(32, "big"))
    assert int.from_bytes(result, "big") == 41 + evm.env.block.number
    assert all(place["length"] == 32 for place in token["deployedBytecode"]["immutableReferences"])


def solc_shim(root: Path, request: dict[str, Any], cwd: Path, *arguments: str) -> dict[str, Any]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("the shim runs on Node, which is missing: `make setup` names the fix")
    done = subprocess.run(
        [node, root / "scripts" / "solc_shim.js", "--standard-json", *arguments],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        cwd=cwd,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def errors(answer: dict[str, Any]) -> list[str]:
    return [entry["formattedMessage"] for entry in answer.get("errors", []) if entry["severity"] == "error"]


def standard(sources: dict[str, str], **settings: Any) -> dict[str, Any]:
    return {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in sources.items()},
        "settings": {"outputSelection": {"*": {"*": ["abi"]}}, **settings},
    }


def test_inputs_of_many_megabytes_do_not_crash_the_compiler(root: Path, tmp_path: Path) -> None:
    padding = "// " + "x" * 1_000_000 + "\n"
    sources = {f"S{i}.sol": PRAGMA + padding + f"contract S{i} {{ uint256 public x; }}\n" for i in range(10)}
    answer = solc_shim(root, standard(sources), tmp_path)
    assert not errors(answer)
    assert len(answer["contracts"]) == 10


def test_deeply_nested_expressions_do_not_crash_the_compiler(root: Path, tmp_path: Path) -> None:
    terms = " + ".join(["x"] * 10_000)
    text = (
        PRAGMA
        + f"contract Deep {{ function f(uint256 x) external pure returns (uint256) {{ return {terms}; }} }}\n"
    )
    assert not errors(solc_shim(root, standard({"Deep.sol": text}), tmp_path))


def test_imports_are_read_below_the_base_path_only(root: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "Inside.sol").write_text(PRAGMA + "contract Inside {}\n")
    (tmp_path / "Outside.sol").write_text(PRAGMA + "contract Outside {}\n")
    (base / "Link.sol").symlink_to(tmp_path / "Outside.sol")

    def importing(name: str) -> list[str]:
        request = standard({"A.sol": PRAGMA + f'import "{name}";\n'})
        return errors(solc_shim(root, request, tmp_path, "--base-path", str(base)))

    assert not importing("Inside.sol")
    assert "outside the base path" in importing("Link.sol")[0]
    assert importing(str(tmp_path / "Outside.sol"))
