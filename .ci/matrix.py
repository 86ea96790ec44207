"""Runs the tests marked `cross` on the versions we support: the whole product, or `--corners` of it.

Pages are looked at in a browser in the corners, and on every Flower in the product: Python and Celery do not draw them.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import dev  # noqa: E402 - the folder above is no package

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
CELERYS = ("5.4", "5.6", "5.7")
FLOWERS = ("2.0.1", "2.1", "2.2")
CELL_S = 900.0
"""A combination's tests take half a minute, with pages some more; what hangs must not take the rest along."""


BROWSER = shutil.which("chromium") is not None or bool(os.environ.get("CI"))
"""Without one a developer's run leaves the pages out; in CI nothing may be missing."""


class Combination(NamedTuple):
    """One set of versions; Celery and Flower as the start of a version."""

    python: str
    celery: str
    flower: str

    def requirements(self) -> list[str]:
        """Return what pip installs; Celery's own `[redis]` extra resolves to pairs that refuse each other."""
        return [
            "-e",
            ".[flower]",
            f"celery=={self.celery}.*",
            f"flower=={_exact(self.flower)}",
            "kombu[redis]",
        ]

    @property
    def folder(self) -> Path:
        """Its virtual environment."""
        return ROOT / f".venv-{self.python}-{self.celery}-{self.flower}"

    def __str__(self) -> str:
        return f"Python {self.python}, Celery {self.celery}, Flower {self.flower}"


def _exact(version: str) -> str:
    return version if version.count(".") == 2 else f"{version}.*"


def combinations(*, corners: bool) -> Iterator[Combination]:
    """Yield what is to be tried; the newest of everything is what the whole test suite runs on."""
    if corners:
        found = [version for version in PYTHONS if interpreter(version)]
        yield Combination(found[0] if found else PYTHONS[0], "5.4", "2.0.1")
        yield Combination(found[-1] if found else PYTHONS[-1], "5.6", "2.1")
        return
    yield from itertools.starmap(Combination, itertools.product(PYTHONS, CELERYS, FLOWERS))


def interpreter(version: str) -> Path | None:
    """Return a Python of that version from PATH or pyenv; shims of inactive versions do not count."""
    root = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    pyenv = (root / "versions").glob(f"{version}.*/bin/python")
    candidates = [shutil.which(f"python{version}"), *sorted(map(str, pyenv), reverse=True)]
    for candidate in filter(None, candidates):
        code = f"import sys, venv; assert sys.version_info[:2] == {tuple(map(int, version.split('.')))}"
        if subprocess.run([candidate, "-c", code], capture_output=True, check=False).returncode == 0:
            return Path(candidate)
    return None


def steps(versions: Combination, *, corners: bool) -> Iterator[list[str]]:
    """Yield what pytest is told, one run after the other."""
    yield ["-m", "cross", "tests/test_versions.py"]
    newest = [version for version in PYTHONS if interpreter(version)][-1], CELERYS[-1]
    if BROWSER and (corners or (versions.python, versions.celery) == newest):
        yield ["-m", "not cross" if corners else "cross", "tests/browser/test_corners.py"]


def attempt(versions: Combination, python: Path, *, corners: bool) -> bool:
    """Make the environment and run the tests in it; return whether they passed."""
    shutil.rmtree(versions.folder, ignore_errors=True)
    own = versions.folder / "bin" / "python"
    try:
        _make(python, versions.folder)
        tools = ["hypothesis>=6.100", "pytest>=8.3", "pytest-timeout>=2.3", *["playwright>=1.50"] * BROWSER]
        dev.install(own, [*versions.requirements(), *tools])
        return all(_passes(own, words) for words in steps(versions, corners=corners))
    except (subprocess.SubprocessError, dev.CommandError) as error:
        print(f"    {error}", flush=True)
        return False
    finally:
        shutil.rmtree(versions.folder, ignore_errors=True)


def _passes(python: Path, words: list[str]) -> bool:
    # A combination whose test was skipped for want of a part has not been tried.
    environment = {**os.environ, "CI": "true"}
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False, timeout=CELL_S).returncode == 0


def _make(python: Path, folder: Path) -> None:
    """Make a virtual environment, without pip where ensurepip is missing: `dev.install` has another."""
    command: list[str | Path] = [python, "-m", "venv", folder]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        subprocess.run([*command, "--clear", "--without-pip"], check=True)


def main() -> int:
    """Try all; return 1 when one failed or none could be tried."""
    # The page is the same for all; building it once per environment would be most of the time.
    os.environ["CELERY_MONITOR_NO_FRONTEND"] = "1"
    outcomes: dict[str, str] = {}
    corners = "--corners" in sys.argv[1:]
    for versions in combinations(corners=corners):
        began = time.monotonic()
        python = interpreter(versions.python)
        print(f"--- {versions}", flush=True)
        outcome = (
            "not installed" if python is None else "ok" if attempt(versions, python, corners=corners) else "FAILED"
        )
        outcomes[str(versions)] = outcome
        print(f"    {outcome} ({time.monotonic() - began:.0f} s)", flush=True)
    print("\n".join(f"  {versions:<40} {outcome}" for versions, outcome in outcomes.items()), flush=True)
    found = set(outcomes.values())
    return 0 if "ok" in found and "FAILED" not in found else 1


if __name__ == "__main__":
    sys.exit(main())
