"""What any release has stored is read for ever: the same answers before it is folded, and after."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from celery_monitor import __version__
from celery_monitor.store.connection import Store
from celery_monitor.store.encoding import packing
from celery_monitor.store.report import BROKEN_BLOB, UNDECODABLE
from tests.store.bytes import recorded

RELEASES = sorted(path.name for path in recorded.FOLDER.iterdir() if (path / "store.bin").exists())


def test_the_bytes_of_this_release_are_among_them() -> None:
    assert __version__ in RELEASES, "python -m tests.store.bytes.write"


@pytest.mark.parametrize("release", RELEASES)
def test_what_a_release_stored_gives_the_answers_it_gave_then(redis_url: str, release: str) -> None:
    folder = recorded.FOLDER / release
    store = Store.open(redis_url, "shop", identity_labels=("customer",))
    recorded.put(store, (folder / "store.bin").read_bytes())
    expected = json.loads((folder / "answers.json").read_text())

    found = recorded.asked(store)

    for moment, answers in found.items():
        for question, answer in answers.items():
            then = expected[moment].get(question)
            assert recorded.without_news(then, answer) == then, f"{question}, {moment}"
    skipped = store.client.hgetall(store.keys.skipped)
    assert not {UNDECODABLE.encode(), BROKEN_BLOB.encode()} & skipped.keys()
    store.close()


@pytest.mark.parametrize("release", RELEASES)
def test_a_ring_that_a_release_wrote_is_read(tmp_path: Path, release: str) -> None:
    folder = recorded.FOLDER / release
    path = tmp_path / "one.ring"
    path.write_bytes(packing.inflate((folder / "ring.bin").read_bytes()))

    assert recorded.of_ring(path) == json.loads((folder / "answers.json").read_text())["ring"]
