"""Rings lie on a tmpfs only, in a folder that is ours alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from celery_monitor.agent import folder


def test_the_folder_is_made_for_us_alone_and_found_again(shm: Path) -> None:
    found, problem = folder.find(str(shm), "shop", "redis://a/0")
    assert problem == ""
    assert found is not None
    assert found.parent == shm / f"celery-monitor-{os.getuid()}"
    assert found.stat().st_mode & 0o777 == found.parent.stat().st_mode & 0o777 == 0o700
    assert folder.find(str(shm), "shop", "redis://a/0") == (found, "")


def test_another_namespace_or_store_has_a_folder_of_its_own(shm: Path) -> None:
    places = {folder.find(str(shm), *of)[0] for of in (("a", "redis://a"), ("b", "redis://a"), ("a", "redis://b"))}
    assert len(places) == 3


def test_a_disk_is_refused_by_name(tmp_path: Path) -> None:
    if folder.on_tmpfs(str(tmp_path)):
        pytest.skip(f"{tmp_path} is a tmpfs here")
    found, problem = folder.find(str(tmp_path), "shop", "redis://a")
    assert found is None
    assert str(tmp_path) in problem


def test_a_missing_folder_is_refused_by_name(shm: Path) -> None:
    found, problem = folder.find(str(shm / "gone"), "shop", "redis://a")
    assert found is None
    assert "gone" in problem


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o777, 0o500])
def test_a_folder_that_others_may_enter_is_refused(shm: Path, mode: int) -> None:
    ours = shm / f"celery-monitor-{os.getuid()}"
    ours.mkdir()
    ours.chmod(mode)
    found, problem = folder.find(str(shm), "shop", "redis://a")
    assert found is None
    assert "0700" in problem


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(shm: Path) -> None:
    ours = shm / f"celery-monitor-{os.getuid()}"
    ours.mkdir(mode=0o700)
    os.chown(ours, 12345, 12345)
    assert folder.find(str(shm), "shop", "redis://a")[0] is None


def test_a_link_is_refused(shm: Path) -> None:
    elsewhere = shm / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (shm / f"celery-monitor-{os.getuid()}").symlink_to(elsewhere)
    assert folder.find(str(shm), "shop", "redis://a")[0] is None
    assert list(elsewhere.iterdir()) == []


def test_a_file_in_its_place_is_refused(shm: Path) -> None:
    (shm / f"celery-monitor-{os.getuid()}").write_text("")
    assert folder.find(str(shm), "shop", "redis://a")[0] is None
