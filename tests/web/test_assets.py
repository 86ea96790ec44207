"""Which files the page is made of, and what happens when they were not built."""

from __future__ import annotations

import json
from pathlib import Path

from celery_monitor.web.assets import Assets, load


def write(folder: Path, manifest: object, *files: str) -> Path:
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for name in files:
        (folder / name).touch()
    return folder


def test_the_manifest_names_the_files(tmp_path: Path) -> None:
    folder = write(tmp_path, {"files": {"script": "a-1.js", "style": "a-2.css"}}, "a-1.js", "a-2.css")
    assert load(folder) == Assets(script="a-1.js", style="a-2.css")


def test_no_build_is_no_error(tmp_path: Path) -> None:
    assert load(tmp_path / "static") is None


def test_half_a_build_is_none(tmp_path: Path) -> None:
    assert load(write(tmp_path, {"files": {"script": "a-1.js", "style": "a-2.css"}}, "a-1.js")) is None


def test_a_manifest_of_another_shape_is_none(tmp_path: Path) -> None:
    assert load(write(tmp_path, ["nothing"])) is None
