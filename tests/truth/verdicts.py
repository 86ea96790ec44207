"""Holds what the reader says of every execution against what its bodies did and against the table of right ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from celery_monitor.query.reader import Reader
from celery_monitor.signals.record import Flag, State, pack_id, unpack_id
from tests.truth.script import NOTHING, Ends, Expected
from tests.truth.witness import Life

UNSEEN = " unseen"
OPEN = {"WAITING", "STARTED", "RETRY", "INTERRUPTED", "REPLACED"}
"""States in which an execution has not come to its end."""
KILLED = {"LOST", "FAILURE", "REVOKED"}
"""States of an attempt whose process was killed; it may have begun to be recorded before its body began."""
STORED = {"SUCCESS", "STORE_FAILED"}
"""States of an attempt that Celery called a success; storing its result may have failed after that."""


def differences(reader: Reader, expected: Expected, lives: list[Life]) -> list[str]:
    """Return one line for each execution that is not as it should be, id by id."""
    found = list(_of_expected(reader, expected, lives))
    others = {life.id for life in lives} - set(expected)
    found += _of_bodies(reader, others, lives)
    known = {row["id"] for row in executions(reader) if "infrastructure" not in row["flags"]}
    shown = {unpack_id(pack_id(one)) for one in {*expected, *others}}  # a long id is abbreviated
    found += [f"{one}: recorded, and nobody published it" for one in known - shown]
    return found


def executions(reader: Reader) -> Iterator[dict[str, Any]]:
    """Yield every execution, page by page."""
    cursor: str | None = None
    while True:
        page = reader.executions(limit=500, cursor=cursor)
        yield from page["executions"]
        cursor = page["next"]
        if cursor is None:
            return


def _of_expected(reader: Reader, expected: Expected, lives: list[Life]) -> Iterator[str]:
    for task_id, right in expected.items():
        row = reader.execution(task_id)
        if row is None:
            if right != NOTHING:
                yield f"{task_id}: not recorded, expected {right}"
            continue
        had = _ends(row)
        best = next((one for one in right if _plain(one) == had), None)
        if best is None:
            yield f"{task_id} ({row['task']}): attempts {had}, expected {right}"
            continue
        if best and row["state"] != best[-1].split()[0]:
            yield f"{task_id} ({row['task']}): state {row['state']}, expected that of the last of {best}"
        unseen = sum(one.endswith(UNSEEN) for one in best)
        yield from _bodies(row, task_id, lives, unseen)


def _of_bodies(reader: Reader, ids: Iterable[str], lives: list[Life]) -> Iterator[str]:
    """Yield the differences of executions of which only their bodies are known."""
    for task_id in ids:
        row = reader.execution(task_id)
        if row is None:
            yield f"{task_id}: not recorded, its body ran"
            continue
        if row["state"] in OPEN:
            yield f"{task_id} ({row['task']}): left open in state {row['state']}, attempts {_ends(row)}"
        yield from _bodies(row, task_id, lives, 0)


def _bodies(row: dict[str, Any], task_id: str, lives: list[Life], unseen: int) -> Iterator[str]:
    """Yield where pids of attempts and of bodies differ, and where only one of the two has come to its end."""
    mine = [life for life in lives if life.id == task_id]
    started = [attempt for attempt in row["attempts"] if attempt["pid"]]
    recorded, true = Counter(a["pid"] for a in started), Counter(life.pid for life in mine)
    surplus = (recorded - true).total() - unseen
    spare = sum(a["state"] in KILLED for a in started)
    if (true - recorded) or not 0 <= surplus <= spare:
        yield f"{task_id} ({row['task']}): attempts in processes {dict(recorded)}, bodies in {dict(true)}"
    returned = sum(life.outcome == "returned" for life in mine)
    succeeded = sum(a["state"] == State.SUCCESS.name for a in started) - unseen
    if succeeded > returned:
        yield f"{task_id} ({row['task']}): {succeeded} attempts SUCCESS, {returned} bodies returned"
    told = Counter(life.pid for life in mine if life.state == State.SUCCESS.name)
    if missing := told - Counter(a["pid"] for a in started if a["state"] in STORED):
        yield f"{task_id} ({row['task']}): our handlers heard of a success in {dict(missing)}, attempts {_ends(row)}"


def _ends(row: dict[str, Any]) -> Ends:
    return tuple(f"{attempt['state']} {attempt['reason']}" for attempt in row["attempts"])  # by their start


def _plain(right: Ends) -> Ends:
    return tuple(one.removesuffix(UNSEEN) for one in right)


def totals(reader: Reader) -> tuple[Counter[str], Counter[str]]:
    """Return the ends by state: as the totals since ever have them, and as the executions have them."""
    counted: Counter[str] = Counter()
    for cell in reader.lifetime().values():
        counted.update({State(state).name: n for state, n in cell.counts.items() if state})
    infra = {Flag.INFRASTRUCTURE.name.lower()}  # type: ignore[union-attr]
    listed: Counter[str] = Counter()
    for row in executions(reader):  # machinery that takes over an id is its last attempt
        mine = row["attempts"][:-1] if infra & set(row["flags"]) else row["attempts"]
        listed.update(attempt["state"] for attempt in mine)
    del listed["NEVER_PUBLISHED"]  # a plan that came to nothing is no end of anybody's attempt
    return +counted, listed
