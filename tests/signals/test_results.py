"""The size class of a result is that of the bytes which its backend stored; nothing is encoded a second time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.app.trace import build_tracer
from celery.backends.filesystem import FilesystemBackend
from kombu.serialization import dumps, register

from celery_monitor.agent.drain import RingReader
from celery_monitor.signals import attempts, handlers, process, results
from celery_monitor.signals.layout import END
from celery_monitor.signals.record import Kind, ResultSize
from tests.signals.apart import apart

KIB = 1024
GIVEN: dict[str, Any] = {
    "none": None, "number": 7, "words": "x" * 500, "page": "x" * 5 * KIB, "list": list(range(20_000)),
    "umlauts": "ä" * 200, "megabyte": "x" * (900 * KIB), "more": "x" * (1025 * KIB),
}  # fmt: skip
STORED = {
    "none": "NONE", "number": "UP_TO_1_KIB", "words": "UP_TO_1_KIB", "page": "UP_TO_10_KIB", "list": "UP_TO_1_MIB",
    "umlauts": "UP_TO_10_KIB", "megabyte": "UP_TO_1_MIB", "more": "OVER_1_MIB",
}  # fmt: skip


def sizes(
    backend: str, conf: Mapping[str, Any] | None = None, *, listening: bool = True, **options: Any
) -> dict[str, str]:
    """Return, per given result, the class that the end of its attempt was recorded with."""
    process.place.folder = None
    process.me.agent = True
    app = Celery("results", broker="memory://", backend=backend)
    app.conf.update(conf or {})
    early = app.backend  # as some library may have asked for before we came
    if listening:
        results.listen(app)
    assert app.backend is early

    @app.task(name="give", **options)
    def give(name: str) -> Any:
        return GIVEN[name]

    handlers.connect()
    writer = process.open_writer()
    assert writer is not None
    reader = RingReader(writer.ring)
    trace = build_tracer("give", give, app=app)
    found = {}
    for name in GIVEN:
        trace(f"id-{name}", (name,), {}, {"id": f"id-{name}", "delivery_info": {"routing_key": "q"}})
        (payload,) = [payload for kind, payload in reader.take(10) if kind == Kind.ATTEMPT]
        reader.commit(reader.read)
        found[name] = ResultSize(END.unpack_from(payload)[2]).name
    return found


class Table(FilesystemBackend):
    """Encodes a result by itself and what belongs to it in other columns, as Celery's SQL and Cassandra backends do."""

    def _store_result(self, task_id: str, result: Any, state: str, *_: Any, **__: Any) -> None:
        for column, value in (("result", result), ("children", []), ("traceback", None)):
            self.set(f"{task_id}-{column}".encode(), self.encode(value))


@pytest.mark.parametrize("scheme", ["file", f"{__name__}:Table+file"])
def test_a_result_is_as_large_as_what_the_backend_stored(tmp_path: Path, scheme: str) -> None:
    assert apart(stored_in, f"{scheme}://{tmp_path}") == STORED


def stored_in(url: str) -> dict[str, str]:
    return sizes(url)


def test_a_result_that_is_ignored_or_has_no_backend_is_none(tmp_path: Path) -> None:
    assert set(apart(ignored, f"file://{tmp_path}").values()) == {"NONE"}
    assert set(apart(stored_in, "disabled://").values()) == {"NONE"}


def ignored(url: str) -> dict[str, str]:
    return sizes(url, ignore_result=True)


def test_a_backend_that_nobody_listens_to_leaves_it_unknown(tmp_path: Path) -> None:
    found = apart(unheard, f"file://{tmp_path}")
    assert found.pop("none") == "NONE"
    assert set(found.values()) == {"UNKNOWN"}


def unheard(url: str) -> dict[str, str]:
    return sizes(url, listening=False)


def test_a_result_is_encoded_once(tmp_path: Path) -> None:
    assert apart(encodings, f"file://{tmp_path}") == dict.fromkeys(GIVEN, 1)


def encodings(url: str) -> dict[str, int]:
    counted: dict[str, int] = {}

    def encode(data: Any) -> Any:
        name = data["task_id"].removeprefix("id-")
        counted[name] = counted.get(name, 0) + 1
        return dumps(data, serializer="json")[2]

    register("counting", encode, lambda data: data, content_type="application/x-counting")
    sizes(url, {"result_serializer": "counting", "accept_content": ["json", "application/x-counting"]})
    return counted


def test_listening_twice_measures_once(tmp_path: Path) -> None:
    app = Celery("twice", broker="memory://", backend=f"file://{tmp_path}")
    results.listen(app)
    encode = app.backend.encode
    results.listen(app)
    assert app.backend.encode is encode
    assert not hasattr(encode.__wrapped__, "__wrapped__")


def test_encoding_outside_of_a_task_is_nobodys_result(tmp_path: Path) -> None:
    app = Celery("outside", broker="memory://", backend=f"file://{tmp_path}")
    results.listen(app)
    assert app.backend.encode({"result": 1}) == '{"result": 1}'
    assert attempts.current() is None
