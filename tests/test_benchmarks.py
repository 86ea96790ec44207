"""The benchmarks still start, and those that print what sampling and asked-for counters cost still run."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.parts import ROOT


@pytest.mark.parametrize(
    ("name", "options", "line"),
    [
        ("sampler", ["--children", "1", "--samples", "1", "--max-memory-per-child", "1"], "share of a core at 5 s"),
        ("traffic", ["--rounds", "1", "--tasks", "5"], "each audit event"),
    ],
)
def test_a_benchmark_prints_its_costs(name: str, options: list[str], line: str) -> None:
    command = [sys.executable, f"benchmarks/{name}.py", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert line in done.stdout


@pytest.mark.parametrize("name", ["overhead", "pages", "storage"])
def test_a_benchmark_that_takes_minutes_says_how_it_is_used(name: str) -> None:
    command = [sys.executable, f"benchmarks/{name}.py", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout
