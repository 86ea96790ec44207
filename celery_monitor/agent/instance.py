"""Drains the rings of one instance into batches, each of which is counted exactly once however often anybody dies.

In memory sit only rows whose records are still in a ring, so that a successor finds them again, unless Redis stays away
until a ring is half full: then the tails move (`spill`), the rows become memory only, and are bounded.
"""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import psutil

from celery_monitor.agent import decode, details, tally
from celery_monitor.agent.drain import RingReader
from celery_monitor.agent.ends import Ends, ours
from celery_monitor.agent.holds import Holds
from celery_monitor.agent.insides import Insides
from celery_monitor.agent.journal import Journal
from celery_monitor.agent.keeping import Keeping
from celery_monitor.agent.successes import Successes
from celery_monitor.agent.usage import Usage
from celery_monitor.live_state import Running
from celery_monitor.model import Batch, Metrics, Publish
from celery_monitor.signals import guard, layout
from celery_monitor.signals.record import Kind, unpack_id
from celery_monitor.signals.ring import AT_TAIL, Ring, open_ring
from celery_monitor.signals.writer import Writer

MOST_RECORDS: Final = 5000
"""Records in one batch: a commit of the fold stays short, and a batch below 1 MB."""
_SPILL_AT: Final = 0.5
_ATTEMPT: Final = int(Kind.ATTEMPT)
_ROW_BYTES: Final = 700
"""What a row costs in memory, roughly: a tuple of 32, six byte strings and its numbers."""


@dataclass(slots=True)
class Flush:
    """A batch in flight: it keeps its number and content until it is acknowledged."""

    batch: Batch
    offsets: dict[bytes, int]


class CutOff(NamedTuple):
    """An attempt that a dead process left open, and what it was found to have ended by."""

    pid: int
    id: bytes
    task: str
    started_us: int
    reason: int


class Instance:
    """The rings of one instance and the batches made of them.

    Parameters:
        instance: its 16 bytes, which are the batches' `boot`.
        journal: locked by us.
        folder: where its rings lie, None when all of them are in memory.
        worker: node name for its rows.
        buffer_bytes: bound on what is kept in memory only, while Redis is away.
    """

    def __init__(
        self,
        instance: bytes,
        journal: Journal,
        folder: Path | None,
        worker: str,
        buffer_bytes: int,
        *,
        alone: bool = False,
    ) -> None:
        self.instance, self.journal, self.folder, self.alone = instance, journal, folder, alone
        self.ends = Ends(worker)
        self.holds = Holds()
        self.publishes: list[Publish] = []
        self.details: dict[str, list[Any]] = {}
        self.insides = Insides()
        self.keeping = Keeping()
        self.usage = Usage()
        self.readers: dict[bytes, RingReader] = {}
        self.cut_off: deque[CutOff] = deque(maxlen=200)
        self.flush: Flush | None = None
        self.dropped: dict[str, int] = {}
        self.spilled = False
        intent = journal.intent()
        self.n = max(journal.settled, intent[0] if intent else 0)
        self._most_rows = max(buffer_bytes // _ROW_BYTES, MOST_RECORDS)
        self._gone: dict[str, int] = {}  # losses of rings that were removed

    # -- reading ---------------------------------------------------------------------------------------------------

    def drain(self, kept: list[Ring], now: float, now_us: int) -> None:
        """Read what is new in every ring; `kept` are our rings in anonymous memory."""
        self._discover(kept)
        self.holds.drained(now_us)
        room = MOST_RECORDS - sum(map(len, self._waiting))
        if self.spilled:
            room = max(room, MOST_RECORDS)
        for reader in list(self.readers.values()):
            room -= self._read(reader, room, now)
        for reader in list(self.readers.values()):
            self._bury(reader, now, now_us, kept)
        self.ends.expire(now, alone=self.alone)
        if self.flush is not None and any(reader.backlog > _SPILL_AT for reader in self.readers.values()):
            self.spill()

    def pool_in_memory(self) -> bool:
        """Whether a pool child found no room for a file and took the ring that was made before its fork."""
        return any(reader.ring.path is None and reader.pid not in {0, os.getpid()} for reader in self.readers.values())

    def _discover(self, kept: list[Ring]) -> None:
        for ring in kept:
            if ring.ring_id not in self.readers:
                self.readers[ring.ring_id] = RingReader(ring)
        if self.folder is None:
            return
        mark = self.instance.hex()
        for path in self.folder.glob(f"{mark}-*.ring"):
            ring_id = bytes.fromhex(path.name[len(mark) + 1 : -5])
            if ring_id not in self.readers:
                try:
                    self.readers[ring_id] = RingReader(open_ring(path))
                except (OSError, ValueError) as error:
                    guard.note("opening a ring", error)

    def _read(self, reader: RingReader, most: int, now: float, upto: int | None = None) -> int:
        n, pid, ends, before = 0, reader.pid, self.ends, len(self.ends.attempts)
        successes = Successes(reader.ring.ring_id, ends.worker, pid, ends.labelled, self.holds.default)
        try:
            for kind, payload in reader.take(most, upto):
                n += 1
                if kind == _ATTEMPT and successes.add(payload):
                    continue
                if kind == Kind.FACT:  # it may speak of an end before it
                    self._settle(reader, successes)
                try:
                    self._record(reader, pid, kind, payload, now)
                except ValueError as error:
                    reader.skipped += 1
                    guard.note("decoding a record", error)
        finally:
            self._settle(reader, successes)
        ends.in_order(before)
        return n

    def _settle(self, reader: RingReader, successes: Successes) -> None:
        for rows in successes.settle(self.ends.metrics):
            self.ends.succeeded(self.holds.of_all(rows))
        for slot, serial in successes.ended.items():
            reader.saw_end(slot, serial)

    def _record(self, reader: RingReader, pid: int, kind: int, payload: bytes, now: float) -> None:
        if kind == _ATTEMPT:
            row, start = decode.attempt(payload, reader.ring.ring_id, self.ends.worker, pid, self.holds.default)
            self.ends.ended(self.holds.of_all([row])[0], now, start.labels)
            reader.saw_end(start.slot, start.serial)
        elif kind == Kind.PUBLISH:
            published = decode.publish(payload)
            tally.publish(self.ends.metrics, published)
            if not ours(published.task):
                self.publishes.append(published)
        elif kind == Kind.FACT:
            self.ends.told(decode.fact(payload), now)
        else:
            self._detail(reader, kind, payload)

    def _detail(self, reader: RingReader, kind: int, payload: bytes) -> None:
        found = details.decode(kind, payload, reader.ring.ring_id, self.ends.worker)
        if found is None:
            reader.skipped += 1
            return
        table, rows = found
        for row in rows:
            self.insides.count(self.ends.metrics, table, row)
        if table == "traffic":
            self.usage.traffic(self.ends.metrics, rows)
        self.details.setdefault(table, []).extend(rows)

    def _bury(self, reader: RingReader, now: float, now_us: int, kept: list[Ring]) -> None:
        """Close what a dead writer left open, and remove its ring once everything in it is acknowledged."""
        if not self._dead(reader):
            return
        if not reader.dead_since:
            reader.dead_since = now
        if reader.read < reader.head:
            return
        waiting = self._close_open(reader, now - reader.dead_since, now_us)
        if not waiting and self.flush is None and reader.ring.number(AT_TAIL) >= reader.head:
            self._remove(reader, kept)

    def _close_open(self, reader: RingReader, dead_for: float, now_us: int) -> bool:
        """Write the missing ends into the dead writer's own ring, from where they are counted once like any other."""
        waiting = False
        writer = Writer(reader.ring)
        for slot, _, raw in list(reader.open_attempts()):
            if not reader.has_room:  # the batch in flight moves the tail; until then the slot keeps the attempt
                return True
            try:
                start = decode.begun(raw)
            except ValueError as error:
                guard.note("decoding a start slot", error)
                writer.end(slot)
                continue
            verdict = self.ends.verdict(start.ids[0], dead_for, now_us, alone=self.alone)
            waiting = True
            if verdict is not None:
                lasted = max((verdict.at_us or now_us - int(dead_for * 1e6)) - start.started_us, 0)
                writer.put(Kind.ATTEMPT, layout.pack_end(verdict.state, verdict.reason, lasted, raw, verdict.error))
                writer.end(slot)
                self.cut_off.append(
                    CutOff(reader.pid, start.ids[0], start.names[0], start.started_us, int(verdict.reason))
                )
        return waiting

    def _dead(self, reader: RingReader) -> bool:
        ring = reader.ring
        if ring.path is not None:
            return reader.dead_since > 0 or not ring.owner_lives()
        if reader.pid == 0:  # nobody has taken it: its child writes into a file of its own
            return time.time_ns() // 1000 - ring.started_us > 60_000_000
        return not psutil.pid_exists(reader.pid)

    def _remove(self, reader: RingReader, kept: list[Ring]) -> None:
        ring = reader.ring
        for reason, n in reader.losses().items():
            self._gone[reason] = self._gone.get(reason, 0) + n
        if ring.path is not None:
            ring.path.unlink(missing_ok=True)
        elif ring in kept:
            kept.remove(ring)
        del self.readers[ring.ring_id]
        ring.close()

    # -- batches ---------------------------------------------------------------------------------------------------

    def replay(self, now: float) -> None:
        """Make the batch a dead agent was about to send, from the same records, under the same number."""
        intent = self.journal.intent()
        if intent is None:
            return
        n, offsets = intent
        self._discover([])
        for ring_id, upto in offsets.items():
            reader = self.readers.get(ring_id)
            if reader is not None:
                self._read(reader, 10 * MOST_RECORDS, now, upto)
        self.flush = Flush(self._batch(n, MOST_RECORDS * 10), offsets)

    def next_flush(self, extra: Metrics | None = None) -> Flush | None:
        """Return the batch to send: the one in flight, else a new one, None when there is nothing to say."""
        if self.flush is not None:
            if extra is not None:
                self.ends.metrics.merge(extra)
            return self.flush
        if extra is not None:
            self.ends.metrics.merge(extra)
        if not self.news:
            return None
        if self.spilled:  # what was read since belongs to memory too, else a successor would find and send it again
            self._let_go()
        self.n += 1
        batch = self._batch(self.n, MOST_RECORDS)
        offsets = {} if self.spilled else {ring_id: reader.read for ring_id, reader in self.readers.items()}
        self.flush = Flush(batch, offsets)
        self.journal.intend(self.n, offsets)
        return self.flush

    def _batch(self, n: int, most: int) -> Batch:
        ends, host = self.ends, socket.gethostname()
        batch = Batch(self.instance, n, host, time.time_ns() // 1000)
        if ends.attempts and not ends.worker.startswith(("producer@", "beat@", "serve@", "flower@")):
            ends.metrics.worker = ends.worker
        batch.metrics, ends.metrics = ends.metrics, Metrics()
        batch.attempts, ends.attempts = ends.attempts[:most], ends.attempts[most:]
        self.usage.add(batch.metrics, batch.attempts)
        batch.publishes, self.publishes = self.publishes[:most], self.publishes[most:]
        batch.details = {table: rows[:most] for table, rows in self.details.items()}
        self.details = {table: rows[most:] for table, rows in self.details.items() if len(rows) > most}
        if abandoned := list(self.insides.abandoned(batch.attempts)):
            batch.details.setdefault("waits", []).extend(abandoned)
        if not self.alone:
            self.keeping.thin(batch)
        return batch

    def acknowledged(self) -> None:
        """The batch in flight has arrived: tails first, then the number, so that no death in between sends it anew."""
        flush = self.flush
        if flush is None:
            return
        for ring_id, upto in flush.offsets.items():
            if ring_id in self.readers:
                self.readers[ring_id].commit(upto)
        self.journal.settle(flush.batch.n)
        self.flush = None
        if not any(self._waiting):
            self.spilled = False

    def spill(self) -> None:
        """Keep rows in memory only, within the bound, as Redis is away and a ring fills; counters are never dropped."""
        self.spilled = True
        self._let_go()
        if self.flush is not None:
            self.flush.offsets = {}
        for rows in self._waiting:
            over = len(rows) - self._most_rows // (len(self.details) + 2)
            if over > 0:
                del rows[:over]
                self.dropped["execution_buffer_full"] = self.dropped.get("execution_buffer_full", 0) + over

    def _let_go(self) -> None:
        for reader in self.readers.values():
            reader.commit(reader.read)

    @property
    def more(self) -> bool:
        """Whether records wait to be read or rows to be sent, beyond one batch."""
        waiting = any(reader.read < reader.head for reader in self.readers.values())
        return waiting or any(self._waiting)

    @property
    def news(self) -> bool:
        """Whether there is anything to send."""
        return bool(self.ends.metrics) or any(self._waiting)

    @property
    def _waiting(self) -> list[list[Any]]:
        """The rows that wait to be sent, one list for each table."""
        return [self.ends.attempts, self.publishes, *self.details.values()]

    @property
    def finished(self) -> bool:
        """Whether nothing is left of an instance whose agent is dead."""
        return not self.readers and self.flush is None and not self.more

    # -- looking ---------------------------------------------------------------------------------------------------

    def running(self) -> list[Running]:
        """Return the attempts that have begun and not ended in processes that live."""
        found: list[Running] = []
        for reader in self.readers.values():
            if reader.dead_since:
                continue
            for _, serial, raw in reader.open_attempts():
                try:
                    start = decode.begun(raw)
                except ValueError:
                    continue
                uid = reader.ring.ring_id + serial.to_bytes(4, "little")
                if not ours(start.names[0]):
                    found.append(_running(uid, start, reader.pid))
        return found

    def open_pids(self) -> set[int]:
        """Return the processes, living or dead, in which attempts have begun and not ended."""
        return {reader.pid for reader in self.readers.values() if next(reader.open_attempts(), None) is not None}

    def losses(self) -> dict[str, int]:
        """Return what was lost since the instance began, by reason."""
        total = dict(self._gone)
        for reader in self.readers.values():
            for reason, n in reader.losses().items():
                total[reason] = total.get(reason, 0) + n
        for reason, n in self.dropped.items():
            total[reason] = total.get(reason, 0) + n
        return total


def _running(uid: bytes, start: decode.Begun, pid: int) -> Running:
    task, queue, workflow, _ = start.names
    return {
        "uid": uid.hex(), "id": unpack_id(start.ids[0]), "run": (start.ids[4] or start.ids[0]).hex(), "task": task,
        "queue": queue, "pid": pid, "started_us": start.started_us, "workflow": workflow, "flags": start.flags,
        "ids": (unpack_id(start.ids[1]), unpack_id(start.ids[2]), unpack_id(start.ids[3])),
    }  # fmt: skip
