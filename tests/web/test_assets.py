"""Which files the page is made of, and what happens when they were not built."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from celery_monitor.web.assets import Assets, load

FILES = {"script": "a-1.js", "style": "a-2.css"}
PAGES = {"runs": ["a-1.js", "runs-3.js"]}


def write(folder: Path, manifest: object, *files: str) -> Path:
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for name in files:
        (folder / name).touch()
    return folder


def test_the_manifest_names_the_files(tmp_path: Path) -> None:
    folder = write(tmp_path, {"files": FILES, "pages": PAGES}, "a-1.js", "a-2.css", "runs-3.js")
    assert load(folder) == Assets(script="a-1.js", style="a-2.css", pages=PAGES)


def test_what_every_page_fetches_is_known_beforehand() -> None:
    built = Assets(
        "a-1.js", "a-2.css", {"runs": ["a-1.js", "s-4.js", "runs-3.js"], "logs": ["logs-5.js", "a-1.js", "s-4.js"]}
    )
    assert built.common == ["s-4.js"]
    assert built.files == {"a-1.js", "a-2.css", "s-4.js", "runs-3.js", "logs-5.js"}
    assert Assets("a-1.js", "a-2.css", {}).common == []


def test_no_build_is_no_error(tmp_path: Path) -> None:
    assert load(tmp_path / "static") is None


def test_half_a_build_is_none(tmp_path: Path) -> None:
    assert load(write(tmp_path, {"files": FILES, "pages": PAGES}, "a-1.js", "runs-3.js")) is None


def test_a_build_without_the_file_of_a_page_is_none(tmp_path: Path) -> None:
    assert load(write(tmp_path, {"files": FILES, "pages": PAGES}, "a-1.js", "a-2.css")) is None


@pytest.mark.parametrize("manifest", [["nothing"], {"files": FILES}, {"files": FILES, "pages": ["runs"]}])
def test_a_manifest_of_another_shape_is_none(tmp_path: Path, manifest: object) -> None:
    assert load(write(tmp_path, manifest, "a-1.js", "a-2.css")) is None
