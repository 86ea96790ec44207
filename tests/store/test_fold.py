from __future__ import annotations

import random
import threading
from collections import Counter

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celery_monitor.errors import StoreUnreachable
from celery_monitor.model import Batch, Cell
from celery_monitor.query.reader import Reader
from celery_monitor.signals.record import State
from celery_monitor.store import commit, inbox
from celery_monitor.store.connection import Store
from celery_monitor.store.cursor import MetricsCursor, TasksCursor
from celery_monitor.store.encoding.blob import Blob
from celery_monitor.store.encoding.packing import pack
from celery_monitor.store.fold import fold
from celery_monitor.store.report import AHEAD, LATE, LATE_ROWS, UNDECODABLE
from celery_monitor.store.rollups import tiers
from celery_monitor.store.rows import blocks, index
from tests.store.batches import BOOT, NOW_US, attempt, batch, gauge, publish
from tests.store.shelved import stored_blocks

TASK = ("task", "shop.charge", "payments")
SECOND = 1_000_000


def total(store: Store, now_us: int = NOW_US) -> Cell:
    """The one task's lifetime, straight from the reader."""
    return Reader(store).lifetime(now_us).get(TASK, Cell())


def stored_rows(store: Store) -> Counter[bytes]:
    """How often each attempt's uid is in the blocks."""
    uids: Counter[bytes] = Counter()
    for raw in stored_blocks(store):
        uids.update(Blob(raw).column("attempts", "uid"))
    return uids


def rollup(store: Store, step: int, bucket: int, part: str) -> dict:
    return tiers.load(store.client.get(store.keys.rollup(step, bucket, part)))


def test_a_batch_is_counted_once_however_often_it_arrives(store: Store) -> None:
    for _ in range(3):
        inbox.send(store, batch(1, [attempt(1)], [publish(1)]), None)
    fold(store, NOW_US)
    inbox.send(store, batch(1, [attempt(1)], [publish(1)]), None)
    report = fold(store, NOW_US)

    assert (total(store).ended, total(store).published) == (1, 1)
    assert stored_rows(store) == {attempt(1).uid: 1}
    assert report.duplicates == 2  # of counters and of rows


def test_the_inbox_is_empty_after_the_fold(store: Store) -> None:
    inbox.send(store, batch(1, [attempt(1)]), None)

    fold(store, NOW_US)

    assert store.client.xlen(store.keys.inbox_metrics) == store.client.xlen(store.keys.inbox_tasks) == 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_order_of_batches_and_their_doubles_gives_the_same(redis_url: str, data: st.DataObject) -> None:
    boots = [bytes([b]) * 16 for b in range(1, 4)]
    sent = [
        batch(n, [attempt(100 * i + n, at_us=NOW_US - n * 3 * SECOND)], boot=boot)
        for i, boot in enumerate(boots)
        for n in range(1, 6)
    ]
    order = data.draw(st.permutations([*sent, *data.draw(st.lists(st.sampled_from(sent), max_size=10))]))
    folds = data.draw(st.sets(st.integers(0, len(order))))
    store = Store.open(redis_url, f"n{random.getrandbits(64)}")

    for at, one in enumerate(order):
        inbox.send(store, one, None)
        if at in folds:
            fold(store, NOW_US)
    fold(store, NOW_US)

    expected = Cell()
    for one in sent:
        for cells in one.metrics.cells.values():
            expected.merge(cells[TASK])
    found = Reader(store).tasks(120, NOW_US)["shop.charge"]
    assert found.dump()[:7] == expected.dump()[:7]
    total = Reader(store).lifetime(NOW_US)[TASK]
    assert (total.counts, total.runtime_le, total.wait_le) == (
        expected.counts,
        expected.runtime_le,
        expected.wait_le,
    )
    assert stored_rows(store) == Counter(
        b"ring-id-" + (100 * i + n).to_bytes(4, "little") for i in range(3) for n in range(1, 6)
    )
    store.close()


def test_two_folds_at_once_count_once(store: Store, redis_url: str) -> None:
    for n in range(1, 41):
        inbox.send(store, batch(n, [attempt(n)], [publish(n)]), None)
    others = [Store.open(redis_url, "shop") for _ in range(4)]
    threads = [threading.Thread(target=fold, args=(other, NOW_US)) for other in others]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fold(store, NOW_US)

    assert (total(store).ended, total(store).published) == (40, 40)
    assert set(stored_rows(store).values()) == {1}
    assert len(stored_rows(store)) == 40
    for other in others:
        other.close()


def test_a_fold_that_was_overtaken_gives_up_and_changes_nothing(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox.send(store, batch(1, [attempt(1)], [publish(1)]), None)
    other = Store.open(redis_url, "shop")
    run = commit.Commit.run

    def overtaken(self: commit.Commit, to: Store, following: bytes) -> bool:
        with monkeypatch.context() as patch:
            patch.setattr(commit.Commit, "run", run)
            fold(other, NOW_US)
        return run(self, to, following)

    with monkeypatch.context() as patch:
        patch.setattr(commit.Commit, "run", overtaken)
        report = fold(store, NOW_US)

    assert report.races > 0
    assert (report.commits, report.batches, report.rows) == (0, 0, 0)
    assert (total(store).ended, total(store).published) == (1, 1)
    assert stored_rows(store) == {attempt(1).uid: 1}
    other.close()


def test_a_fold_that_dies_before_its_commit_loses_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox.send(store, batch(1, [attempt(1)]), None)

    def dies(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(commit.Commit, "run", dies)
        fold(store, NOW_US)
    assert total(store).ended == 1  # still read from the inbox
    fold(store, NOW_US)

    assert total(store).ended == 1


def test_a_commit_whose_answer_is_lost_is_not_done_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox.send(store, batch(1, [attempt(1)]), None)
    run = commit.Commit.run

    def answer_lost(*args: object) -> bool:
        run(*args)  # type: ignore[arg-type]
        raise StoreUnreachable("timed out")

    with monkeypatch.context() as patch, pytest.raises(StoreUnreachable):
        patch.setattr(commit.Commit, "run", answer_lost)
        fold(store, NOW_US)
    fold(store, NOW_US)

    assert total(store).ended == 1


def test_a_flush_that_times_out_and_is_sent_again_counts_once(store: Store, redis_url: str) -> None:
    impatient = Store.open(redis_url, "shop", timeout_s=0.05)
    patient = Store.open(redis_url, "shop", timeout_s=60.0)
    inbox.send(impatient, batch(1, [attempt(1)]), None)  # connects, and asks for the server's memory
    busy = threading.Thread(target=patient.client.eval, args=("for i = 1, 1e8 do end return 1", 0))
    busy.start()
    while busy.is_alive():
        try:
            impatient.client.ping()
        except redis.TimeoutError:
            break  # now it is

    timeouts = 0
    one = batch(2, [attempt(2)], [publish(2)])
    while True:
        try:
            inbox.send(impatient, one, None)
            break
        except StoreUnreachable:
            timeouts += 1
    busy.join()
    fold(store, NOW_US)

    assert timeouts > 0
    assert total(store).ended == 2
    impatient.close()
    patient.close()


def test_a_server_that_lost_the_scripts_gets_them_again(store: Store) -> None:
    inbox.send(store, batch(1, [attempt(1)]), None)
    fold(store, NOW_US)
    store.client.script_flush()
    inbox.send(store, batch(2, [attempt(2)]), None)

    fold(store, NOW_US)

    assert total(store).ended == 2


def test_a_late_batch_is_counted_in_its_own_buckets_of_every_tier(store: Store) -> None:
    fold(store, NOW_US)
    then = NOW_US - 5 * 3600 * SECOND
    inbox.send(store, batch(1, [attempt(1, at_us=then)]), None)

    fold(store, NOW_US)

    for step in (60, 600, 3600):
        found = rollup(store, step, then // SECOND // step * step, "tq")
        assert Cell.load(found[TASK]).ended == 1, step
    assert not rollup(store, 10, then // SECOND // 10 * 10, "tq")  # that tier reaches back two hours


def test_what_is_older_than_a_day_is_left_out_and_counted(store: Store) -> None:
    inbox.send(store, batch(1, [attempt(1, at_us=NOW_US - 25 * 3600 * SECOND), attempt(2)]), None)

    report = fold(store, NOW_US)

    assert total(store).ended == 1
    assert stored_rows(store) == {attempt(2).uid: 1}
    assert report.skipped == {LATE: 1, LATE_ROWS: 1}


def test_a_batch_from_a_clock_ahead_is_booked_now_and_counted(store: Store) -> None:
    inbox.send(store, batch(1, [attempt(1, at_us=NOW_US + 3600 * SECOND)]), None)

    report = fold(store, NOW_US)

    assert Reader(store).tasks(60, NOW_US)["shop.charge"].ended == 1
    assert report.skipped[AHEAD] == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"h": pack([1, BOOT, 9, "x", 1]), "d": b"no bytes of ours"},
        {"h": pack([9, BOOT, 9, "x", 1]), "d": b""},
        {"h": pack([1, b"short", 9, "x", 1]), "d": b""},
        {"h": pack([1, BOOT, "nine", "x", 1]), "d": b""},
        {"h": pack([1, BOOT, 9, b"x", 1]), "d": b""},
        {"h": pack([1, BOOT, 9, "x"]), "d": b""},
        {"h": b"no head of ours", "d": b""},
        {"something": "else"},
    ],
)
def test_an_entry_that_cannot_be_decoded_is_skipped_and_counted(store: Store, fields: dict) -> None:
    inbox.send(store, batch(1, [attempt(1)]), None)
    store.client.xadd(store.keys.inbox_metrics, fields)
    store.client.xadd(store.keys.inbox_tasks, fields)
    inbox.send(store, batch(2, [attempt(2)]), None)

    assert total(store).ended == 2  # the reader steps over it, too
    report = fold(store, NOW_US)

    assert total(store).ended == 2
    assert len(stored_rows(store)) == 2
    assert report.skipped == {UNDECODABLE: 2}
    assert Reader(store).health(NOW_US)["skipped_entries"] == 2


def test_counters_with_texts_for_numbers_do_not_stop_the_fold(store: Store) -> None:
    poisoned = batch(1, [attempt(1)])
    poisoned.metrics.cells[NOW_US // SECOND // 10 * 10][TASK].errors["Full"] = "many"  # type: ignore[assignment]
    inbox.send(store, Batch(BOOT, 1, "host", NOW_US, poisoned.metrics), None)
    inbox.send(store, batch(2, [attempt(2)]), None)

    fold(store, NOW_US)

    assert total(store).ended == 1


def test_a_broken_rollup_and_a_broken_block_are_begun_anew(store: Store) -> None:
    inbox.send(store, batch(1, [attempt(1)]), None)
    fold(store, NOW_US)
    for key in (
        store.keys.rollup(10, NOW_US // SECOND // 10 * 10, "tq"),
        store.keys.executions.block(1),
        store.keys.lifetime,
    ):
        store.client.set(key, b"broken")
    inbox.send(store, batch(2, [attempt(2)]), None)

    report = fold(store, NOW_US)

    assert total(store).ended == 1
    assert sum(report.skipped.values()) == 3


def test_an_older_release_steps_aside(store: Store) -> None:
    store.client.hset(store.keys.meta, "write", 2)
    inbox.send(store, batch(1, [attempt(1)]), None)

    report = fold(store, NOW_US)

    assert report.aside is not None
    assert store.client.xlen(store.keys.inbox_metrics) == 1


def test_buckets_are_rolled_into_coarser_ones_and_the_sums_agree(store: Store) -> None:
    start = NOW_US - 3 * 3600 * SECOND
    fold(store, start)
    for n in range(1, 181):
        at = start + n * 60 * SECOND
        made = batch(n, [attempt(n, at_us=at)])
        gauge(made, at, ("queue", "payments"), backlog=float(n))
        inbox.send(store, made, None)
        fold(store, at + 5 * SECOND)
    fold(store, NOW_US + 60 * SECOND)

    cursor = MetricsCursor.load(store.client.get(store.keys.cursor("m")))
    for step in (60, 600, 3600):
        ends = 0
        for bucket in range(start // SECOND // step * step, cursor.rolled[step], step):
            cell = rollup(store, step, bucket, "tq").get(TASK)
            ends += Cell.load(cell).ended if cell else 0
        after = sum(start + n * 60 * SECOND >= cursor.rolled[step] * SECOND for n in range(1, 181))
        assert ends == 180 - after, step
    assert Reader(store).tasks(4 * 3600, NOW_US + 60 * SECOND)["shop.charge"].ended == 180


def test_what_was_not_rolled_outlives_a_pause_of_days(store: Store) -> None:
    fold(store, NOW_US)
    inbox.send(store, batch(1, [attempt(1)]), None)
    fold(store, NOW_US + SECOND)
    key = store.keys.rollup(10, NOW_US // SECOND // 10 * 10, "tq")

    assert store.client.ttl(key) > 30 * 86_400
    fold(store, NOW_US + 4 * 86_400 * SECOND)

    assert store.client.ttl(key) in {-2, *range(60)}  # gone, or about to: its last half second is 0
    hour = rollup(store, 3600, NOW_US // SECOND // 3600 * 3600, "tq")
    assert Cell.load(hour[TASK]).ended == 1


def test_rollups_are_kept_no_longer_than_was_asked(redis_url: str) -> None:
    store = Store.open(redis_url, "brief", rollup_days=1)
    fold(store, NOW_US)
    then = NOW_US - 12 * 3600 * SECOND
    inbox.send(store, batch(1, [attempt(1, at_us=then)]), None)

    fold(store, NOW_US)

    key = store.keys.rollup(600, then // SECOND // 600 * 600, "tq")
    assert 11 * 3600 < store.client.ttl(key) <= 12 * 3600 + 600
    store.close()


def test_the_fold_pauses_between_slices(store: Store) -> None:
    for n in range(1, 60):
        inbox.send(store, batch(n, [attempt(n)]), None)
    pauses: list[int] = []

    fold(store, NOW_US, slice_s=0.0, pause=lambda: pauses.append(1))

    assert len(pauses) > 50


def test_blocks_are_filled_before_the_next_is_begun(store: Store) -> None:
    for n in range(1, 9):
        inbox.send(store, batch(n, [attempt(1000 * n + i) for i in range(600)]), None)
        fold(store, NOW_US)

    cursor = TasksCursor.load(store.client.get(store.keys.cursor("t"))).executions
    notes = {int(k): blocks.load_info(v) for k, v in store.client.hgetall(store.keys.executions.block_info).items()}
    assert {k: v.rows for k, v in notes.items()} == {1: 2400, 2: 2400}
    assert (cursor.number, cursor.rows) == (3, 0)
    assert set(stored_rows(store).values()) == {1}
    assert sum(store.client.strlen(store.keys.executions.index(0, part)) for part in range(index.PARTS)) == 4 * 4800


def test_the_oldest_blocks_go_when_the_budget_is_used_up(redis_url: str) -> None:
    store = Store.open(redis_url, "small", executions_bytes=300_000)
    for n in range(1, 11):
        inbox.send(store, batch(n, [attempt(3000 * n + i) for i in range(2000)]), None)
        fold(store, NOW_US)

    cursor = TasksCursor.load(store.client.get(store.keys.cursor("t"))).executions
    numbers = sorted(map(int, store.client.hkeys(store.keys.executions.block_info)))
    assert cursor.stored_bytes <= 300_000
    assert numbers == list(range(cursor.first, 11))
    assert cursor.first > 1
    assert not store.client.exists(store.keys.executions.block(1))
    assert Reader(store).execution(_text(attempt(3000)), NOW_US) is None
    assert Reader(store).execution(_text(attempt(3000 * 10 + 7)), NOW_US) is not None
    store.close()


def test_an_open_bucket_of_a_lost_attempt_can_be_corrected(store: Store) -> None:
    inbox.send(store, batch(1, [attempt(1, state=int(State.LOST))]), None)
    fold(store, NOW_US)
    correction = batch(2)
    cell = correction.metrics.cells.setdefault(NOW_US // SECOND // 10 * 10, {}).setdefault(TASK, Cell())
    cell.counts = {int(State.LOST): -1, int(State.SUCCESS): 1}
    inbox.send(store, correction, None)

    fold(store, NOW_US)

    assert {s: n for s, n in total(store).counts.items() if n} == {int(State.SUCCESS): 1}


def test_commits_never_exceed_ten_thousand_rows(store: Store) -> None:
    for n in range(1, 8):
        inbox.send(store, batch(n, [attempt(5000 * n + i) for i in range(4000)]), None)

    report = fold(store, NOW_US)

    assert report.rows == 28_000
    assert report.commits >= 3


def test_the_server_refuses_nothing_halfway(store: Store) -> None:
    """Out of memory: the commit is refused whole, and done whole once there is room."""
    inbox.send(store, batch(1, [attempt(1)]), None)
    client: redis.Redis = store.client
    before = client.info("memory")["used_memory"]
    done = commit.Commit(store.keys.cursor("x"), b"")
    done.add("SET", store.keys.rollup(10, 10, "tq"), b"x")
    client.config_set("maxmemory", before // 2)
    try:
        with pytest.raises(Exception, match="memory"):
            done.run(store, b"1")
        assert not client.exists(store.keys.cursor("x"), store.keys.rollup(10, 10, "tq"))
    finally:
        client.config_set("maxmemory", 0)

    assert done.run(store, b"1")
    assert client.exists(store.keys.cursor("x"), store.keys.rollup(10, 10, "tq")) == 2


def _text(row: object) -> str:
    from celery_monitor.signals.record import unpack_id

    return unpack_id(row.id)  # type: ignore[attr-defined]
