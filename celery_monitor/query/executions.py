"""Executions as the JSON API shows them: one by its id, or a page of them, newest first."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from heapq import merge
from typing import Any, Final, NamedTuple

from celery_monitor.analytics.executions import end_of
from celery_monitor.errors import BadRequest
from celery_monitor.live_state import AgentState, Running
from celery_monitor.model import PUBLISHED, Attempt
from celery_monitor.query import live, paging, rows
from celery_monitor.query.execution_row import STARTED, WAITING, Live, row
from celery_monitor.query.rows import Blocks, Candidate, Found
from celery_monitor.signals.record import Flag, Reason, State, fixed_id, pack_id
from celery_monitor.store import live as live_table
from celery_monitor.store.connection import Store
from celery_monitor.store.encoding.blob import Blob
from celery_monitor.store.rows import blocks
from celery_monitor.store.rows.blocks import Info

_SEARCHED: Final = 20_000
"""Candidates looked at for one page: a filter that almost nothing matches ends with a cursor to go on from."""

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{16}")

Runnings = dict[bytes, Live]


@dataclass(frozen=True, slots=True)
class Filters:
    """What is asked for; None means any.

    Attributes:
        state: a `State`'s name, or WAITING.
        before: only what is older than this (time in us, tie), where the last page ended.
    """

    task: str | None = None
    state: str | None = None
    reason: str | None = None
    queue: str | None = None
    worker: str | None = None
    run: bytes | None = None
    fingerprint: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    limit: int = paging.DEFAULT_LIMIT
    before: tuple[int, bytes] | None = None

    @property
    def states(self) -> set[int]:
        """The states that rows may have, as `Info.may_hold` takes them; a publish counts as 0."""
        if self.state is None or self.fingerprint is not None:
            return {PUBLISHED, *map(int, State)}
        return {PUBLISHED} if self.state == WAITING else {int(State[self.state])}


def parse(
    *,
    task: str | None = None,
    state: str | None = None,
    reason: str | None = None,
    queue: str | None = None,
    worker: str | None = None,
    run: str | None = None,
    fingerprint: str | None = None,
    since: str | None = None,
    until: str | None = None,
    limit: int | str | None = None,
    cursor: str | None = None,
) -> Filters:
    """Return filters from what a face was given.

    Raises:
        BadRequest: not of the accepted form.
    """
    return Filters(
        task=task,
        state=paging.one_of("state", state, [WAITING, *State.__members__]),
        reason=paging.one_of("reason", reason, list(Reason.__members__)),
        queue=queue,
        worker=worker,
        run=fixed_id(pack_id(run)) if run else None,
        fingerprint=_fingerprint(fingerprint),
        **paging.bounds(since, until, limit, cursor),
    )


def one(store: Store, task_id: str, now_us: int) -> dict[str, Any] | None:
    """Return an execution, None when nothing is known of it.

    Raises:
        StoreError: the store does not answer.
    """
    packed = pack_id(task_id)
    running = _running(store, now_us)
    found = Blocks(store, rows.tail(store, now_us)).by_ids([packed]).get(packed, Found())
    if not found.attempts and not found.publishes and packed not in running:
        return None
    return row(packed, found, running.get(packed))


class Fates(NamedTuple):
    """Of attempts whose worker is silent those (uids in hex) that have ended, and whose message was given out again."""

    ended: frozenset[str]
    redelivered: frozenset[str]


def fates(store: Store, silent: Iterable[Running], now_us: int) -> Fates:
    """Return what the store knows of attempts that a silent worker was running.

    Raises:
        StoreError: the store does not answer.
    """
    runs = {run["uid"]: pack_id(run["id"]) for run in silent}
    found = Blocks(store, rows.tail(store, now_us)).by_ids(sorted(set(runs.values())))
    elsewhere = _running(store, now_us)
    ended, again = set(), set()
    for uid, packed in runs.items():
        stored = found.get(packed, Found()).attempts
        others = {a.uid.hex() for a in stored.values() if a.flags & Flag.REDELIVERED}
        if packed in elsewhere and elsewhere[packed]["flags"] & Flag.REDELIVERED:
            others.add(elsewhere[packed]["uid"])
        if bytes.fromhex(uid) in stored:
            ended.add(uid)
        elif others - {uid}:
            again.add(uid)
    return Fates(frozenset(ended), frozenset(again))


def page(store: Store, filters: Filters, now_us: int) -> dict[str, Any]:
    """Return a page of executions and the cursor of the next.

    An execution stands where its newest row puts it, of those by the worker or the fingerprint asked for. So data that
    arrives meanwhile goes above the cursor: nothing below it is skipped or comes twice.

    Raises:
        StoreError: the store does not answer.
    """
    running = _running(store, now_us)
    stored = Blocks(store, rows.tail(store, now_us))
    out: list[dict[str, Any]] = []
    taken: set[bytes] = set()
    place: Candidate | None = None
    looked = 0
    for chunk in _chunks(_candidates(stored, filters, running), filters.limit):
        known = stored.by_ids(list(dict.fromkeys(c.id for c in chunk)))
        for candidate in chunk:
            found = known.get(candidate.id, Found())
            if candidate.id in taken or _place(candidate.id, found, running.get(candidate.id), filters) != candidate:
                continue  # a newer row speaks for this execution, or it was folded while we read
            shown = row(candidate.id, found, running.get(candidate.id))
            if _wanted(shown, filters):
                if len(out) == filters.limit:
                    return {"executions": out, "next": paging.cursor(place)}
                out.append(shown)
                taken.add(candidate.id)
                place = candidate
        looked += len(chunk)
        if looked >= _SEARCHED:
            return {"executions": out, "next": paging.cursor(chunk[-1])}
    return {"executions": out, "next": None}


def _candidates(blocks_: Blocks, filters: Filters, running: Runnings) -> Iterator[Candidate]:
    """Yield, newest first, the executions that may be meant and lie below the cursor; doubles are left in."""
    if filters.run is not None:
        ids = blocks_.of_run(filters.run)
        ids |= {i for i, r in running.items() if r.get("run") == filters.run.hex()}
        known = blocks_.by_ids(sorted(ids))
        all_ = sorted((_place(i, known.get(i, Found()), running.get(i)) for i in ids), reverse=True)
        yield from (c for c in all_ if _in_range(c, filters))
        return
    started: list[Candidate] = []
    stored: Iterator[Candidate] = iter(())
    if filters.state in {None, STARTED}:
        started = sorted((_place(i, Found(), r) for i, r in running.items()), reverse=True)
    if filters.state != STARTED:
        stored = blocks_.newest_first(partial(_matches, filters=filters), partial(_worth, filters=filters))
    yield from (c for c in merge(started, stored, reverse=True) if _in_range(c, filters))


def _matches(blob: Blob, filters: Filters) -> Iterator[Candidate]:
    if filters.state != WAITING and blob.rows("attempts"):
        table = {name: blob.column("attempts", name) for name in _TIMES}
        ends = blocks.ends(table)
        keep = _filtered(blob, "attempts", filters)
        uids, ids = blob.column("attempts", "uid"), blob.column("attempts", "id")
        yield from (Candidate(ends[at], uids[at], ids[at]) for at in keep)
    if filters.state in {None, WAITING} and filters.reason is filters.worker is filters.fingerprint is None:
        times = blob.column("publishes", "published_us")
        ids = blob.column("publishes", "id")
        yield from (Candidate(times[at], ids[at], ids[at]) for at in _filtered(blob, "publishes", filters))


_TIMES: Final = ("started_us", "runtime_us", "published_us", "wait_us")


def _filtered(blob: Blob, table: str, filters: Filters) -> Iterable[int]:
    """Return the positions of a table's rows that the filters let through."""
    keep: Iterable[int] = range(blob.rows(table))
    wanted: dict[str, Any] = {"task": filters.task, "queue": filters.queue}
    if table == "attempts":
        wanted["worker"] = filters.worker
        wanted["fingerprint"] = filters.fingerprint
        if filters.fingerprint is None:  # else any attempt of an execution that ended so may have it
            wanted["reason"] = int(Reason[filters.reason]) if filters.reason else None
            wanted["state"] = int(State[filters.state]) if filters.state else None
    for name, value in wanted.items():
        if value is not None:
            column = blob.column(table, name)
            keep = [at for at in keep if column[at] == value]
    return keep


def _worth(info: Info, filters: Filters) -> bool:
    if filters.since_us is not None and info.newest_us < filters.since_us:
        return False
    if filters.until_us is not None and info.oldest_us > filters.until_us:
        return False
    if filters.before is not None and info.oldest_us > filters.before[0]:
        return False
    return info.may_hold(filters.task, filters.states)


def _in_range(candidate: Candidate, filters: Filters) -> bool:
    if filters.before is not None and (candidate.at_us, candidate.tie) >= filters.before:
        return False
    if filters.since_us is not None and candidate.at_us < filters.since_us:
        return False
    return filters.until_us is None or candidate.at_us <= filters.until_us


def _place(packed: bytes, found: Found, running: Running | None, filters: Filters | None = None) -> Candidate:
    """Return where an execution stands: at its newest row asked for, or at the start of the attempt that runs."""
    if running and bytes.fromhex(running["uid"]) not in found.attempts:
        return Candidate(running["started_us"], bytes.fromhex(running["uid"]), packed)
    if found.attempts:
        asked = [(uid, a) for uid, a in found.attempts.items() if filters is None or _asked(a, filters)]
        return max(Candidate(end_of(a), uid, packed) for uid, a in asked or found.attempts.items())
    return max((Candidate(p.published_us, packed, packed) for p in found.publishes), default=Candidate(0, b"", packed))


def _asked(attempt: Attempt, filters: Filters) -> bool:
    """Return whether an attempt has what any attempt of an execution may have."""
    return filters.worker in {None, attempt.worker} and filters.fingerprint in {None, attempt.fingerprint}


def _wanted(shown: Mapping[str, Any], filters: Filters) -> bool:
    """Return whether an execution as a whole is what was asked for: its row may have been an older attempt's."""
    if filters.state is not None and shown["state"] != filters.state:
        return False
    if filters.reason is not None and shown["reason"] != filters.reason.lower():
        return False
    if filters.task is not None and shown["task"] != filters.task:
        return False
    if filters.queue is not None and shown["queue"] != filters.queue:
        return False
    return _has(shown, "worker", filters.worker) and _has(shown, "fingerprint", filters.fingerprint)


def _has(shown: Mapping[str, Any], name: str, wanted: str | None) -> bool:
    """Return whether any attempt of an execution has what is wanted."""
    return wanted is None or any(a[name] == wanted for a in shown["attempts"])


def _chunks(candidates: Iterator[Candidate], limit: int) -> Iterator[list[Candidate]]:
    chunk: list[Candidate] = []
    for candidate in candidates:
        chunk.append(candidate)
        if len(chunk) > 2 * limit:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _running(store: Store, now_us: int) -> Runnings:
    agents = live.alive(live_table.agents(store), now_us)
    return {pack_id(r["id"]): _live(a, r, now_us) for a in agents for r in a.get("running") or ()}


def _live(agent: AgentState, running: Running, now_us: int) -> Live:
    seconds_ = round(max(0, now_us + agent.get("clock_us", 0) - running["started_us"]) / 1e6, 3)
    return {**running, "worker": agent.get("hostname", ""), "seconds": seconds_}


def _fingerprint(text: str | None) -> str | None:
    if not text:
        return None
    if not _FINGERPRINT.fullmatch(text.lower()):
        raise BadRequest("bad_fingerprint", f"fingerprint: {text[:40]!r} is none; give an attempt's, 16 hex digits")
    return text.lower()
