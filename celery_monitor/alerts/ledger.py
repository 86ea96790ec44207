"""Keeps alerts' states and the last transitions in the store: one hash, written under the tick's lease."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple
from typing import Any, Final, NamedTuple, TypeVar

import msgpack

from celery_monitor.alerts.judge import States, Transition
from celery_monitor.alerts.rules import OF_HOSTS, OF_QUEUES, OF_WORKERS
from celery_monitor.alerts.state import FIRING, PENDING, RESOLVED, AlertState
from celery_monitor.store.connection import Store
from celery_monitor.store.encoding import shapes
from celery_monitor.store.encoding.packing import Undecodable
from celery_monitor.timestamps import iso

KEPT: Final = 200
"""Transitions that are kept."""

MOST_STATES: Final = 1000
"""Bound of one blob; of more than this many alerts nobody reads the next one."""

_VERSION: Final = 1
_MOST_BYTES: Final = 4 * 1024 * 1024
_ORDER: Final = {FIRING: 0, PENDING: 1, RESOLVED: 2}
_SEVERITY: Final = {"critical": 0, "warning": 1}


Told = TypeVar("Told", AlertState, Transition)


class Firing(NamedTuple):
    """What fires: the worst severity by queue, the alerts' sentences by worker and by host, the worst first."""

    queues: dict[str, str]
    workers: dict[str, list[str]]
    hosts: dict[str, list[str]]

    def about(self, worker: str | None, host: str | None) -> list[str]:
        """Return the sentences about a worker and its host."""
        return [*self.workers.get(worker or "", ()), *self.hosts.get(host or "", ())]


def load(store: Store) -> States:
    """Return the states as the last `write` left them; empty when there was none.

    Raises:
        StoreError: the store does not answer.
    """
    return {(state.rule, state.subject): state for state in _told(AlertState, _rows(store, b"states"))}


def write(
    store: Store,
    states: Mapping[tuple[str, str], AlertState],
    transitions: Sequence[Transition],
    before: Mapping[tuple[str, str], AlertState] | None = None,
) -> None:
    """Store the states of a judgement and add its transitions to the history.

    Parameters:
        states, transitions: what `judge` returned.
        before: what `load` returned; given and equal to `states`, nothing is written.

    Raises:
        StoreError: the store does not answer, or refuses.
    """
    if not transitions and before is not None and dict(before) == dict(states):
        return
    worst_first = sorted(states.values(), key=_rank)[:MOST_STATES]
    update: dict[str, bytes] = {"states": _packed([list(astuple(state)) for state in worst_first])}
    if transitions:
        history = [*reversed([list(change) for change in transitions]), *_rows(store, b"history")]
        update["history"] = _packed(history[:KEPT])
    with store.translated():
        store.client.hset(store.keys.alerts, mapping=update)


def read(store: Store) -> list[dict[str, Any]]:
    """Return the `alerts` rows of the JSON API: firing, pending, then what was resolved within the hour.

    Raises:
        StoreError: the store does not answer.
    """
    return [_row(state) for state in sorted(load(store).values(), key=_rank)]


def firing(rows: Iterable[Mapping[str, Any]]) -> Firing:
    """Return what fires of the rows that `read` returned, which come with the worst first."""
    found = Firing({}, {}, {})
    for row in rows:
        rule, subject = row["rule"], row["subject"]
        if row["state"] != FIRING:
            continue
        if rule in OF_QUEUES:
            found.queues.setdefault(subject, row["severity"])
        elif rule in OF_WORKERS:
            found.workers.setdefault(subject, []).append(row["text"])
        elif rule in OF_HOSTS:
            found.hosts.setdefault(subject, []).append(row["text"])
    return found


def history(store: Store) -> list[dict[str, Any]]:
    """Return the last transitions, newest first, with the fields of the JSON API's alerts."""
    return [_named(row._asdict(), changed="at_us") for row in _told(Transition, _rows(store, b"history"))]


def _rows(store: Store, field: bytes) -> list[Any]:
    """Return one field's rows; what we cannot read is as good as none, the next judgement writes it anew."""
    with store.translated():
        raw = store.client.hget(store.keys.alerts, field)
    if not raw or len(raw) > _MOST_BYTES:
        return []
    try:
        version, rows = msgpack.unpackb(raw)
    except (ValueError, TypeError, msgpack.UnpackException):
        return []
    return rows if version == _VERSION and isinstance(rows, list) else []


def _told(kind: type[Told], rows: Iterable[Any]) -> Iterator[Told]:
    """Yield rows that are such ones; the others are as good as none."""
    for row in rows:
        try:
            found = shapes.row(kind, row)
        except Undecodable:
            continue
        if found.state in _ORDER:
            yield found


def _packed(rows: list[Any]) -> bytes:
    packed: bytes = msgpack.packb([_VERSION, rows])
    return packed


def _rank(state: AlertState) -> tuple[int, int, int]:
    return _ORDER[state.state], _SEVERITY.get(state.severity, 9), -state.changed_us


def _row(state: AlertState) -> dict[str, Any]:
    row = _named(asdict(state), changed="changed_us")
    del row["seen_us"]
    return row


def _named(row: dict[str, Any], *, changed: str) -> dict[str, Any]:
    """Return a row with its two points in time under the API's names, as ISO-8601 UTC."""
    row["since"] = iso(row.pop("since_us"))
    row["changed_at"] = iso(row.pop(changed))
    return row
