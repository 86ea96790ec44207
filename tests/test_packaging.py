"""What ends up in the wheel and the source archive, and whether everything it imports is declared."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest

from tests.parts import ROOT

DISTRIBUTIONS = {"pythonjsonlogger": "python-json-logger", "prometheus_client": "prometheus-client"}
"""Import names that differ from the name of the distribution."""
BROUGHT = {"kombu": "celery", "billiard": "celery", "vine": "celery", "click": "celery", "tornado": "flower"}
"""What a requirement of ours brings because it cannot work without: import name to that requirement."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources as they are in a clone."""
    copy = tmp_path_factory.mktemp("tree") / "celery-monitor"
    left_out = shutil.ignore_patterns(".git", ".venv*", "node_modules", "__pycache__", ".*_cache", "dist", "build")
    shutil.copytree(ROOT, copy, symlinks=True, ignore=left_out)
    return copy


def build(tree: Path, target: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    environment = {**os.environ, "CELERY_MONITOR_NO_FRONTEND": "1"}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl" if target == "wheel" else "*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tree, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tree, "sdist", tmp_path_factory.mktemp("sdist"))


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def sources() -> set[str]:
    """Every source file of the package, through the link to signals too."""
    found = set()
    for folder, _, files in os.walk(ROOT / "celery_monitor", followlinks=True):
        if "__pycache__" not in folder and "static" not in Path(folder).parts:
            found |= {str((Path(folder) / file).relative_to(ROOT)) for file in files}
    return found


def test_the_wheel_holds_every_source_file_and_signals_as_files_of_its_own(wheel: Path) -> None:
    held = names(wheel)
    assert not sources() - held
    assert "celery_monitor/signals/handlers.py" in held
    assert "celery_monitor/py.typed" in held


def test_the_wheel_puts_nothing_beside_the_package(wheel: Path) -> None:
    assert {name.split("/")[0] for name in names(wheel)} == {"celery_monitor"}


def test_a_wheel_from_the_source_archive_is_the_same(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path)  # our own archive; no `filter=` in Debian's 3.11.2
    unpacked = next(path for path in tmp_path.iterdir() if path.is_dir())
    assert names(build(unpacked, "wheel", tmp_path / "out")) == names(wheel)


def test_the_source_archive_holds_what_a_clone_needs_to_run_and_test(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"dev.py", "pyproject.toml", "README.md", "LICENSE", "examples/shop/app.py", "tests/conftest.py"}
    assert not needed - held
    assert not [name for name in held if "node_modules" in name or "__pycache__" in name]


def test_commands_are_entry_points(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(next(n for n in archive.namelist() if n.endswith("entry_points.txt"))).decode()
    assert "celery-monitor = celery_monitor.cli.script:main" in text
    assert "monitor = celery_monitor.cli.command:monitor" in text


def imported(path: Path) -> Iterator[str]:
    """Yield the top names of what a file imports when it runs."""
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        for_types = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        waiting += [] if for_types else ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def requirements(wheel: Path) -> dict[str, str]:
    """Distribution to its marker, of everything required, extras too."""
    with zipfile.ZipFile(wheel) as archive:
        metadata = Parser().parsestr(
            archive.read(next(n for n in archive.namelist() if n.endswith("/METADATA"))).decode()
        )
    lines = metadata.get_all("Requires-Dist") or []
    return {re.split(r"[^A-Za-z0-9_.-]", line)[0].lower(): line.partition(";")[2] for line in lines}


def test_every_third_party_import_is_declared(wheel: Path) -> None:
    required = requirements(wheel)
    for file in sources():
        if not file.endswith(".py"):
            continue
        for name in set(imported(ROOT / file)) - set(sys.stdlib_module_names) - {"celery_monitor"}:
            wanted = DISTRIBUTIONS.get(name, BROUGHT.get(name, name))
            assert wanted in required, f"{file} imports {name}, which nothing in pyproject.toml brings"


def test_the_core_requires_nothing_that_only_an_extra_needs(wheel: Path) -> None:
    core = {name for name, marker in requirements(wheel).items() if "extra ==" not in marker}
    assert core == {"celery", "redis", "psutil", "prometheus-client", "msgpack", "packaging"}


def test_importing_the_package_imports_no_third_party() -> None:
    code = (
        "import sys; before = set(sys.modules); import celery_monitor; "
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"celery_monitor", *sys.stdlib_module_names}
