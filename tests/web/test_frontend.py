"""The front end's own tests, run by Node's test runner, and the agreement between builder and build hook."""

from __future__ import annotations

import gzip
import importlib.util
import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import pytest

from celery_monitor.web import assets
from tests import parts
from tests.web.site import require_page

FRONTEND = parts.ROOT / "frontend"
MOST_KB = 90
OLDEST_NODE = 23  # runs TypeScript as it stands


def node() -> str:
    """Return a Node that runs TypeScript: the one inside playwright's package, else that of the machine."""
    spec = importlib.util.find_spec("playwright")
    if spec is not None and spec.origin is not None:
        inside = Path(spec.origin).parent / "driver" / "node"
        if inside.is_file():
            return str(inside)
    program = parts.require("node")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"node {version.strip()} cannot run TypeScript; install playwright, which brings a newer one")
    return program


def test_arithmetic_of_the_page_is_right() -> None:
    if not (FRONTEND / "node_modules" / "@dagrejs").is_dir():
        pytest.skip("what lays a graph out is not installed (npm ci in frontend/)")
    done = subprocess.run(
        [node(), "--test", "--test-reporter=tap", "tests/*.test.ts"],
        cwd=FRONTEND,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert "# fail 0" in done.stdout
    assert "# pass 0" not in done.stdout


def test_types_are_right() -> None:
    compiler = FRONTEND / "node_modules" / "typescript" / "bin" / "tsc"
    if not compiler.is_file() or not shutil.which("node"):
        pytest.skip("TypeScript is not installed (npm ci in frontend/)")
    done = subprocess.run(
        ["node", str(compiler), "--noEmit"], cwd=FRONTEND, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def load_hook() -> ModuleType:
    """Return hatch_build.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("hatch_build", parts.ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    return hook


def test_builder_and_build_hook_agree_when_a_bundle_is_stale(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="hatchling is not installed (pip install hatchling)")
    if not (FRONTEND / "node_modules" / "esbuild").is_dir() or not shutil.which("node"):
        pytest.skip("the builder is not installed (npm ci in frontend/)")
    hook = load_hook()
    (tmp_path / "of-an-older-build.js").touch()
    subprocess.run(["node", "build.mjs", str(tmp_path)], cwd=FRONTEND, check=True, timeout=60)
    assert json.loads((tmp_path / "manifest.json").read_text())["stamp"] == hook.stamp(FRONTEND)
    built = assets.load(tmp_path)
    assert built is not None
    assert {path.name for path in tmp_path.iterdir()} == built.files | {"manifest.json", "THIRD-PARTY-LICENSES.txt"}


def test_a_file_in_a_folder_of_the_sources_is_part_of_the_stamp(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="hatchling is not installed (pip install hatchling)")
    hook = load_hook()
    copy = shutil.copytree(FRONTEND, tmp_path / "frontend", ignore=shutil.ignore_patterns("node_modules"))
    before = hook.stamp(copy)
    assert before == hook.stamp(FRONTEND)
    page = copy / "src" / "runs" / "run-page.tsx"
    page.rename(page.with_name("other.tsx"))
    assert hook.stamp(copy) != before


def test_the_licences_of_everything_bundled_are_beside_it() -> None:
    require_page()
    text = (assets.STATIC / "THIRD-PARTY-LICENSES.txt").read_text()
    packages = json.loads((FRONTEND / "package.json").read_text())["dependencies"]
    for name in packages.keys() - {"esbuild"}:
        assert f"{name} {packages[name]}" in text
    assert "@dagrejs/graphlib" in text  # what a package brings with it is bundled too
    assert text.count("Permission is hereby granted") == len(packages)


def kilobytes(names: Iterable[str]) -> float:
    """Return what files weigh on the wire."""
    return sum(len(gzip.compress((assets.STATIC / name).read_bytes(), 9)) for name in names) / 1000


def test_what_the_heaviest_page_fetches_is_small_enough_to_be_fetched_at_once() -> None:
    sums = {room: round(kilobytes(names), 1) for room, names in require_page().pages.items()}
    print("kB gzip by room:", sums)
    assert max(sums.values()) <= MOST_KB, sums


def test_charts_are_drawn_with_a_library_that_only_pages_with_charts_fetch() -> None:
    pages = require_page().pages
    drawing = {n for names in pages.values() for n in names if b"u-over" in (assets.STATIC / n).read_bytes()}
    assert {room for room, names in pages.items() if drawing & set(names)} == {"overview", "queues", "workers"}


def test_graphs_are_laid_out_with_a_library_that_is_fetched_when_one_is_looked_at() -> None:
    pages = require_page().pages
    drawing = {n for names in pages.values() for n in names if b"network-simplex" in (assets.STATIC / n).read_bytes()}
    assert {room for room, names in pages.items() if drawing & set(names)} == {"graph"}
    assert set(pages["runs"]) < set(pages["graph"])


def test_the_lock_file_names_no_registry() -> None:
    assert "resolved" not in (FRONTEND / "package-lock.json").read_text()
