"""The writer of a ring under threads, forks, garbage collection, signals and SIGKILL."""

from __future__ import annotations

import gc
import os
import random
import signal
import sys
import threading
from collections import deque
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.agent.drain import RingReader
from celery_monitor.signals import ring
from celery_monitor.signals.record import ENVELOPE, MAX_PAYLOAD, Kind
from celery_monitor.signals.ring import Ring
from celery_monitor.signals.writer import Writer
from tests.signals.apart import apart
from tests.waiting import until

SMALL = 64 * 1024


def a_ring(size: int = SMALL, slots: int = 8) -> Ring:
    return ring.create_anonymous(size, slots, b"i" * 16)


def payloads(reader: RingReader, most: int = 10**9) -> list[bytes]:
    return [payload for _, payload in reader.take(most)]


# -- order and room ------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 5)), max_size=200))
def test_records_come_out_as_they_went_in_however_they_lie_around_the_end(plan: list[tuple[int, int]]) -> None:
    """Sizes and the moments of reading are arbitrary; what was dropped for want of room is counted."""
    made = a_ring()
    writer, reader = Writer(made), RingReader(made)
    put: deque[bytes] = deque()
    refused = 0
    for number, (size, take) in enumerate(plan):
        payload = number.to_bytes(4, "little") + bytes(size)
        before = made.number(ring.AT_FULL)
        writer.put(Kind.PUBLISH, payload)
        full = made.number(ring.AT_FULL) > before
        refused += full
        if not full:
            put.append(payload)
        for found in payloads(reader, take):
            assert found == put.popleft()
        reader.commit(reader.read)
    assert payloads(reader) == list(put)
    assert reader.losses() == ({"ring_full": refused} if refused else {})


def test_a_full_ring_drops_the_newest_and_counts_it() -> None:
    made = a_ring()
    writer, reader = Writer(made), RingReader(made)
    for number in range(100):
        writer.put(Kind.PUBLISH, number.to_bytes(4, "little") + bytes(1000))
    kept = [int.from_bytes(payload[:4], "little") for payload in payloads(reader)]
    assert kept == list(range(len(kept)))
    assert reader.losses() == {"ring_full": 100 - len(kept)}
    reader.commit(reader.read)
    writer.put(Kind.PUBLISH, b"after")
    assert payloads(reader) == [b"after"]


def test_what_was_read_and_not_acknowledged_is_never_overwritten() -> None:
    made = a_ring()
    writer, reader = Writer(made), RingReader(made)
    writer.put(Kind.PUBLISH, b"first")
    assert payloads(reader) == [b"first"]
    for _ in range(100):
        writer.put(Kind.PUBLISH, bytes(2000))
    assert payloads(RingReader(made))[0] == b"first"


def test_a_record_that_no_reader_would_accept_is_not_written() -> None:
    made = a_ring()
    Writer(made).put(Kind.PUBLISH, bytes(MAX_PAYLOAD + 1))
    reader = RingReader(made)
    assert payloads(reader) == []
    assert reader.losses() == {"record_too_large": 1}


def test_a_kind_of_a_later_release_is_skipped_by_its_length() -> None:
    made = a_ring()
    writer, reader = Writer(made), RingReader(made)
    writer.put(Kind.PUBLISH, b"a")
    at = made.data + made.number(ring.AT_HEAD)
    writer.put(Kind.PUBLISH, b"newer")
    crc, size, kind, _ = ENVELOPE.unpack_from(made.map, at)
    ENVELOPE.pack_into(made.map, at, crc, size, kind, 99)
    writer.put(Kind.PUBLISH, b"b")
    assert payloads(reader) == [b"a", b"b"]
    assert reader.losses() == {"record_unreadable": 1}


def test_a_damaged_record_costs_itself_only() -> None:
    made = a_ring()
    writer, reader = Writer(made), RingReader(made)
    for text in (b"a", b"broken", b"b"):
        writer.put(Kind.PUBLISH, text)
    made.map[made.data + 2 * ENVELOPE.size + 1] ^= 0xFF
    assert payloads(reader) == [b"a", b"b"]
    assert reader.losses() == {"record_unreadable": 1}


# -- start slots ---------------------------------------------------------------------------------------------


def test_an_attempt_is_open_from_its_mark_to_its_end() -> None:
    made = a_ring()
    writer, reader = Writer(made), RingReader(made)
    slot, serial = writer.take_slot(), writer.serial()
    writer.mark(slot, serial, b"x" * 60)
    assert list(reader.open_attempts()) == [(slot, serial, b"x" * 60)]
    writer.end(slot)
    assert list(reader.open_attempts()) == []


def test_an_attempt_killed_between_its_end_and_its_slot_is_not_open_once_the_end_was_read() -> None:
    made = a_ring()
    writer, reader = Writer(made), RingReader(made)
    slot, serial = writer.take_slot(), writer.serial()
    writer.mark(slot, serial, b"x" * 60)
    reader.saw_end(slot, serial)
    assert list(RingReader(made).open_attempts()) == []


def test_more_attempts_at_once_than_slots_are_counted() -> None:
    made = a_ring(slots=2)
    writer = Writer(made)
    assert [writer.take_slot() for _ in range(3)] == [0, 1, 2]
    writer.mark(2, 3, b"x" * 60)
    writer.end(2)
    assert RingReader(made).losses() == {"start_not_noted": 1}


# -- death ---------------------------------------------------------------------------------------------------


def written(witness: int) -> int:
    return int.from_bytes(os.pread(witness, 8, 0), "little")


def kill_a_writer(folder: str, rounds: int) -> list[tuple[int, int]]:
    """Return, per killed writer, how many records it says it wrote (told by pwrite) and how many are read."""
    outcome = []
    witness = os.open(f"{folder}/witness", os.O_RDWR | os.O_CREAT)
    for _ in range(rounds):
        os.pwrite(witness, bytes(8), 0)
        ready, theirs = os.pipe()
        child = os.fork()
        if not child:
            writer = Writer(ring.create(Path(folder), 1024 * 1024, 8, b"i" * 16))
            os.write(theirs, b"!")
            number = 0
            while True:
                writer.put(Kind.PUBLISH, number.to_bytes(8, "little") + bytes(random.randrange(300)))
                number += 1
                os.pwrite(witness, number.to_bytes(8, "little"), 0)
        os.read(ready, 1)
        os.close(ready)
        os.close(theirs)
        least = random.randrange(50, 500)  # the moment of death is what varies
        until(lambda least=least: written(witness) >= least, step=0, what=f"{least} records written")
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        (path,) = Path(folder).glob("*.ring")
        found = ring.open_ring(path)
        assert not found.owner_lives()
        reader = RingReader(found)
        numbers = [int.from_bytes(payload[:8], "little") for payload in payloads(reader)]
        assert numbers == list(range(len(numbers)))
        assert reader.skipped == 0
        dropped = reader.losses().get("ring_full", 0)
        outcome.append((written(witness), len(numbers) + dropped))
        found.close()
        path.unlink()
    return outcome


def test_every_record_survives_the_sigkill_of_its_writer(tmp_path: Path) -> None:
    outcome = apart(kill_a_writer, str(tmp_path), 30)
    assert sum(told for told, _ in outcome) > 1000, "the writers wrote something"
    for told, found in outcome:
        assert found in {told, told + 1}, "the kill may fall between the record and its witness"


def watch_a_writer(records: int) -> tuple[list[int], int]:
    """Return how often head and tail were seen to fall while another process writes, and the last head."""
    made = a_ring(1 << 20)
    child = os.fork()
    if not child:
        writer, reader = Writer(made), RingReader(made)
        for number in range(records):
            writer.put(Kind.PUBLISH, bytes(50))
            if number % 100 == 0:
                payloads(reader)
                reader.commit(reader.read)
        os._exit(0)
    fell, last = [0, 0], [0, 0]
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        for _ in range(1000):
            for which, at in enumerate((ring.AT_HEAD, ring.AT_TAIL)):
                seen = int.from_bytes(made.map[at : at + 8], "little")
                fell[which] += seen < last[which]
                last[which] = max(seen, last[which])
    return fell, made.number(ring.AT_HEAD)


def test_head_and_tail_move_in_one_piece() -> None:
    """What another process can see for a moment, SIGKILL can leave for good."""
    fell, head = apart(watch_a_writer, 200_000)
    assert head > 200_000 * 50
    assert fell == [0, 0]


# -- threads, forks, finalisers ------------------------------------------------------------------------------


def threads_that_write_while_forking(forks: int) -> tuple[int, int, int, set[int]]:
    """Return how many records 16 threads wrote, how many were found, how many differ, and how the forks ended."""
    sys.setswitchinterval(0.0001)
    made = a_ring(4 * 1024 * 1024)
    writer, reader, stop = Writer(made), RingReader(made), threading.Event()
    written = [0] * 16

    def write(number: int) -> None:
        while not stop.is_set():
            writer.put(Kind.PUBLISH, bytes((number,)) + written[number].to_bytes(4, "little") + bytes(number * 10))
            written[number] += 1

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    found, statuses = [], set()
    for _ in range(forks):
        child = os.fork()
        if not child:
            signal.alarm(10)  # a lock that came over held would hang here
            own = a_ring()
            Writer(own).put(Kind.PUBLISH, b"child")
            os._exit(0 if payloads(RingReader(own)) == [b"child"] else 1)
        statuses.add(os.waitpid(child, 0)[1])
        found += payloads(reader)
        reader.commit(reader.read)
    stop.set()
    for thread in threads:
        thread.join()
    writer.settle()
    found += payloads(reader)
    return sum(written), len(found) + reader.losses().get("ring_full", 0), len(found) - len(set(found)), statuses


def test_sixteen_threads_write_into_one_ring_while_the_process_forks() -> None:
    written, accounted, doubled, statuses = apart(threads_that_write_while_forking, 10)
    assert written > 1000
    assert (accounted, doubled) == (written, 0)
    assert statuses == {0}


class Last:
    """Publishes when it is collected, as a user's finaliser may."""

    def __init__(self, writer: Writer, name: bytes) -> None:
        self.writer, self.name, self.self = writer, name, self  # a cycle: only the collector frees it

    def __del__(self) -> None:
        self.writer.put(Kind.PUBLISH, self.name)


def test_a_finaliser_that_writes_during_a_write_neither_blocks_nor_loses() -> None:
    made = a_ring(1024 * 1024)
    writer = Writer(made)

    class Payload(bytes):
        """Collects garbage in the middle of the write, when the lock is held."""

        def __len__(self) -> int:
            gc.collect()
            return super().__len__()

    expected = set()
    for number in range(15):
        Last(writer, b"finaliser %d" % number)
        writer.put(Kind.PUBLISH, Payload(b"record %d" % number))
        expected |= {b"finaliser %d" % number, b"record %d" % number}
    found = payloads(RingReader(made))
    assert set(found) == expected
    assert len(found) == len(expected)
