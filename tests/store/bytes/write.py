"""Writes the bytes of this release: ``python -m tests.store.bytes.write``, once, with the last change before it.

`store.bin` has every key of a store with something under each of them, `ring.bin` a ring with a record of each kind,
`answers.json` what is read from them.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from celery_monitor import __version__
from celery_monitor.cli.embedded import EmbeddedServer
from celery_monitor.signals import ring
from celery_monitor.signals.record import Kind
from celery_monitor.signals.writer import Writer
from celery_monitor.store.connection import Store
from celery_monitor.store.encoding import packing
from tests.agent.test_decode import ATTEMPT, BEGIN, FACT, PUBLISH
from tests.store import everything
from tests.store.batches import NOW_US
from tests.store.bytes import recorded


def main() -> None:
    """Write this release's folder."""
    folder = recorded.FOLDER / __version__
    folder.mkdir(exist_ok=True)
    with EmbeddedServer() as server, tempfile.TemporaryDirectory() as scratch:
        store = Store.open(server.url, "shop", identity_labels=("customer",))
        everything.fill(store, NOW_US)
        (folder / "store.bin").write_bytes(recorded.taken(store))
        path = write_ring(Path(scratch))
        (folder / "ring.bin").write_bytes(packing.deflate(path.read_bytes(), 9))
        told = recorded.asked(store) | {"ring": recorded.of_ring(path)}
        (folder / "answers.json").write_text(json.dumps(told, indent=0, sort_keys=True) + "\n")
        store.close()
    for written in sorted(folder.iterdir()):
        print(f"{written.stat().st_size:8} {written}")


def write_ring(folder: Path) -> Path:
    """Write a ring with an attempt, a publish and a fact, and one more attempt that has only begun."""
    made = ring.create(folder, 4096, 2, b"i" * 16)
    writer = Writer(made)
    for kind, payload in ((Kind.ATTEMPT, ATTEMPT), (Kind.PUBLISH, PUBLISH), (Kind.FACT, FACT)):
        writer.put(kind, payload)
    writer.mark(writer.take_slot(), 9, BEGIN)
    writer.settle()
    path = made.path
    assert path is not None
    made.close()
    return path


if __name__ == "__main__":
    main()
