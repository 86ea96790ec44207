from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dev
from tests.parts import ROOT


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source tree whose environment works and has never been installed into."""
    (tmp_path / "frontend/src").mkdir(parents=True)
    (tmp_path / "frontend/src/page.ts").write_text("one")
    (tmp_path / "pyproject.toml").write_text("[project]")
    environment = tmp_path / ".venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin/python").symlink_to(sys.executable)
    for name, value in {
        "ROOT": tmp_path,
        "ENVIRONMENT": environment,
        "PYTHON": environment / "bin/python",
        "STAMP": environment / ".celery-monitor",
    }.items():
        monkeypatch.setattr(dev, name, value)
    return tmp_path


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What was asked to be installed."""
    asked: list[list[str]] = []
    monkeypatch.setattr(dev, "install", lambda python, what: asked.append(list(what)))
    return asked


def test_without_a_command_it_says_which_there_are() -> None:
    done = subprocess.run([sys.executable, "dev.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "dev.py demo" in done.stderr
    assert "dev.py test" in done.stderr


def test_it_installs_once(place: Path, installed: list[list[str]]) -> None:
    dev.prepare("demo")
    dev.prepare("demo")
    assert installed == [["-e", ".[demo]"]]


def test_what_the_test_command_installed_serves_the_demo_but_not_the_reverse(
    place: Path, installed: list[list[str]]
) -> None:
    dev.prepare("demo")
    dev.prepare("test")
    dev.prepare("demo")
    assert installed == [["-e", ".[demo]"], ["-e", ".[test]"]]


@pytest.mark.parametrize("file", ["pyproject.toml", "frontend/src/page.ts"])
def test_changed_requirements_or_page_sources_install_again(place: Path, installed: list[list[str]], file: str) -> None:
    dev.prepare("test")
    (place / file).write_text("two")
    dev.prepare("test")
    assert len(installed) == 2


def test_an_environment_that_no_longer_runs_is_made_anew(place: Path, installed: list[list[str]]) -> None:
    dev.prepare("demo")
    (place / ".venv/bin/python").unlink()
    (place / ".venv/bin/python").symlink_to("/nonexistent/python")
    dev.prepare("demo")
    assert len(installed) == 2
    assert dev._works(dev.PYTHON)


def test_without_ensurepip_the_pip_of_this_interpreter_serves(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    dev.venv.create(place / "bare", with_pip=False)
    python = place / "bare/bin/python"
    if not dev.importlib.util.find_spec("pip"):
        with pytest.raises(dev.CommandError, match="python3-venv"):
            dev.installer(python)
        return
    assert dev.installer(python)[:5] == [sys.executable, "-m", "pip", "--python", str(python)]


def test_uv_is_left_alone_where_pip_has_a_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert dev.pip_is_configured()
    if not dev.importlib.util.find_spec("pip"):
        with pytest.raises(dev.CommandError, match="no pip"):
            dev.installer(Path(sys.executable))
        return
    assert not dev.installer(Path(sys.executable))[0].endswith("uv")


def test_a_failed_step_does_not_keep_the_next_from_running(capfd: pytest.CaptureFixture[str]) -> None:
    steps = dev.Steps()
    steps.run("first", sys.executable, "-c", "raise SystemExit(3)")
    steps.run("second", sys.executable, "-c", "print('ran')")
    assert steps.close() == 1
    out = capfd.readouterr().out
    assert "ran" in out
    assert "FAILED (3)" in out


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)])
def test_what_is_missing_fails_in_ci_and_is_skipped_elsewhere(
    monkeypatch: pytest.MonkeyPatch, ci: str, code: int
) -> None:
    monkeypatch.setenv("CI", ci)
    steps = dev.Steps()
    steps.skip("front end", "no npm")
    assert steps.close() == code
