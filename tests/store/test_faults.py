"""Exactly once, task by task, while servers, connections and aggregators fail."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from celery_monitor.errors import StoreError, StoreRefused, StoreUnreachable
from celery_monitor.model import Batch
from celery_monitor.query.reader import Reader
from celery_monitor.store import inbox
from celery_monitor.store.connection import Store
from celery_monitor.store.fold import fold
from celery_monitor.store.keys import DAY_S
from tests.parts import ROOT
from tests.store import folding, servers
from tests.store.batches import NOW_US
from tests.store.counting import SECOND, assert_exact, attempts, lifetime, rows, send_until_taken, window, work
from tests.store.servers import Server
from tests.waiting import until


@pytest.fixture(params=servers.PROGRAMS)
def program(request: pytest.FixtureRequest) -> str:
    return servers.program(request.param)


@pytest.fixture
def server(program: str) -> Iterator[Server]:
    with servers.running(program) as started:
        yield started


@contextmanager
def opened(url: str, **options: float) -> Iterator[Store]:
    store = Store.open(url, "shop", **options)  # type: ignore[arg-type]
    try:
        yield store
    finally:
        store.close()


def url_of(server: Server) -> str:
    return f"redis://127.0.0.1:{server.port}/0"


def keeping(failed: list[BaseException], does: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        try:
            does()
        except BaseException as error:
            failed.append(error)

    return run


@contextmanager
def agents_and_aggregators(url: str, batches: list[Batch], begun: float) -> Iterator[Callable[[], int]]:
    """Three agents that send and two aggregators that fold, until the block is left; call it for what was taken."""
    taken: list[Batch] = []
    over = threading.Event()
    failed: list[BaseException] = []

    def agent(share: list[Batch]) -> None:
        with opened(url, timeout_s=0.5) as store:
            for one in share:
                send_until_taken(store, one)
                taken.append(one)
                over.wait(0.005)

    def aggregator() -> None:
        with opened(url, timeout_s=0.5) as store:
            while not over.is_set():
                try:
                    fold(store, folding.clock(begun))
                except StoreError:
                    store.close()
                over.wait(0.002)

    boots = sorted({one.boot for one in batches})
    shares = [[one for one in batches if one.boot == boot] for boot in boots]
    sending = [threading.Thread(target=keeping(failed, lambda share=share: agent(share))) for share in shares]
    folding_ = [threading.Thread(target=keeping(failed, aggregator)) for _ in range(2)]
    for thread in [*sending, *folding_]:
        thread.start()
    try:
        yield lambda: len(taken)
        for thread in sending:
            thread.join()
    finally:
        over.set()
        for thread in [*sending, *folding_]:
            thread.join()
    assert not failed, failed
    assert len(taken) == len(batches)


def test_aggregators_killed_at_any_moment_lose_and_double_nothing(server: Server) -> None:
    kills, begun = 40, time.monotonic()
    command = [sys.executable, "-m", "tests.store.folding", url_of(server), "shop"]
    killers = [
        subprocess.Popen(
            [*command, str(seed), str(kills), str(begun)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        for seed in (1, 2)
    ]
    sent: list[Batch] = []
    with opened(url_of(server), timeout_s=10.0) as store:
        while any(killer.poll() is None for killer in killers):
            if store.client.xlen(store.keys.inbox_tasks) > 50:
                continue
            more = work(3, 4, 10, at_us=folding.clock(begun), first=len(sent) * 1000)
            for one in [*more, *more[::5]]:  # some arrive twice
                inbox.send(store, one, None)
            sent += more
        killed = [int(killer.communicate()[0]) for killer in killers]
        folded = len(rows(store))
        fold(store, folding.clock(begun))

        assert killed == [kills, kills]
        assert folded > 0, "no killed aggregator ever committed: the test shows nothing"
        assert_exact(store, attempts(sent), folding.clock(begun), seconds=6 * 3600)


def test_a_server_that_answers_too_late_gets_some_batches_twice_and_counts_them_once(server: Server) -> None:
    sent = work(2, 4, 10)
    with opened(url_of(server), timeout_s=0.1) as store:
        for one in sent:
            inbox.send(store, one, None)
            if one.n % 2:
                server.freeze()
                with pytest.raises(StoreUnreachable):
                    inbox.send(store, one, None)
                store.close()
                server.thaw()
                send_until_taken(store, one)
        doubled = store.client.xlen(store.keys.inbox_tasks)
        store.close()
    with opened(url_of(server)) as store:
        report = fold(store, NOW_US)

        assert doubled > len(sent)
        assert report.duplicates == 2 * (doubled - len(sent))
        assert_exact(store, attempts(sent), NOW_US)


def test_scripts_that_are_forgotten_all_the_time_cost_nothing(server: Server) -> None:
    begun, sent = time.monotonic(), work(3, 30, 5)
    with agents_and_aggregators(url_of(server), sent, begun) as taken:
        while taken() < len(sent):
            server.ask("SCRIPT", "FLUSH")
    with opened(url_of(server)) as store:
        fold(store, folding.clock(begun))

        assert_exact(store, attempts(sent), folding.clock(begun), seconds=6 * 3600)


def test_power_failures_of_a_server_that_writes_to_disk_lose_and_double_nothing(program: str) -> None:
    begun, sent = time.monotonic(), work(3, 40, 5)
    with servers.running(program, "--appendonly", "yes", "--appendfsync", "always") as server:
        with agents_and_aggregators(url_of(server), sent, begun) as taken:
            for share in (0.25, 0.5, 0.75):
                until(lambda least=share: taken() >= least * len(sent), step=0.001, what="some are taken")
                server.restart()
        with opened(url_of(server)) as store:
            fold(store, folding.clock(begun))

            assert_exact(store, attempts(sent), folding.clock(begun), seconds=6 * 3600)


def test_a_server_that_comes_back_as_it_was_a_while_ago_gets_again_what_it_lost(server: Server) -> None:
    first, second, third = (work(2, 3, 5, first=10_000 * part) for part in range(3))
    with opened(url_of(server)) as store:
        for one in first:
            inbox.send(store, one, None)
        fold(store, NOW_US)
        for one in second[::2]:
            inbox.send(store, one, None)
        server.ask("SAVE")
        for one in second[1::2]:
            inbox.send(store, one, None)
        fold(store, NOW_US)
        server.restart()
        store.close()

        assert len(rows(store)) == len(attempts(first))
        for one in [*second, *third]:
            inbox.send(store, one, None)
        fold(store, NOW_US)

        assert_exact(store, attempts([*first, *second, *third]), NOW_US)


def test_a_server_that_comes_back_empty_counts_from_nothing_and_counts_right(server: Server) -> None:
    before, after = work(2, 3, 5, at_us=NOW_US - 600 * SECOND), work(2, 3, 5, first=10_000)
    with opened(url_of(server)) as store:
        reader = Reader(store)
        fold(store, NOW_US - 700 * SECOND)
        for one in before:
            inbox.send(store, one, None)
        fold(store, NOW_US - 500 * SECOND)
        fold(store, NOW_US)
        assert sum(cell.ended for cell in reader.tasks(3600, NOW_US).values()) == 30
        server.restart()
        store.close()

        for one in after:
            inbox.send(store, one, None)
        fold(store, NOW_US)
        inbox.send(store, after[0], None)
        fold(store, NOW_US)

        assert_exact(store, attempts(after), NOW_US)
        seen = sum(cell.ended for cell in reader.tasks(3600, NOW_US).values())
        assert seen == 30, "a reader shows what it has kept of the store that is gone"


def test_a_server_that_became_a_replica_for_a_while_loses_and_doubles_nothing(server: Server) -> None:
    begun, sent = time.monotonic(), work(3, 30, 5)
    refused = 0
    with agents_and_aggregators(url_of(server), sent, begun) as taken, opened(url_of(server)) as store:
        until(lambda: taken() >= 10, step=0.001, what="some are taken")
        for _ in range(3):
            server.ask("REPLICAOF", "127.0.0.1", "1")
            with pytest.raises(StoreRefused, match="read-only"):
                inbox.send(store, sent[0], None)
            refused += 1
            server.ask("REPLICAOF", "NO", "ONE")
            inbox.send(store, sent[0], None)
    with opened(url_of(server)) as store:
        fold(store, folding.clock(begun))

        assert refused == 3
        assert_exact(store, attempts(sent), folding.clock(begun), seconds=6 * 3600)


def test_a_full_server_refuses_and_gets_everything_once_there_is_room(server: Server) -> None:
    sent = work(2, 12, 10)
    with opened(url_of(server)) as store:
        for one in sent[:6]:
            inbox.send(store, one, None)
        room = store.room
        server.ask("CONFIG", "SET", "maxmemory", "1000")  # the agent has asked for the memory just before
        refusals = 0
        for one in sent[4:]:
            store.room = room
            with pytest.raises(StoreRefused, match="memory"):
                inbox.send(store, one, None)
            refusals += 1
        report = fold(store, NOW_US)
        assert report.aside is not None
        server.ask("CONFIG", "SET", "maxmemory", "0")
        store.room = None
        for one in sent[4:]:
            inbox.send(store, one, None)
        fold(store, NOW_US)

        assert refusals == len(sent) - 4
        stored, told = rows(store), report.skipped
        assert set(stored.values()) == {1}
        assert sum(lifetime(store, NOW_US).values()) == len(attempts(sent))
        assert len(stored) + sum(told.values()) == len(attempts(sent)), told


@pytest.mark.parametrize(("name", "end"), [(n, "kill") for n in servers.PROGRAMS] + [(servers.PROGRAMS[0], "freeze")])
def test_a_failover_loses_and_doubles_nothing_that_had_reached_the_replica(name: str, end: str) -> None:
    begun, sent = time.monotonic(), work(3, 40, 5)
    begin, rest = [one for one in sent if one.n <= 15], [one for one in sent if one.n > 15]
    with servers.watched(servers.program(name)) as group:
        with agents_and_aggregators(group.url, begin, begun):
            pass
        group.in_step()
        with agents_and_aggregators(group.url, [*begin[::7], *rest], begun):
            group.fail_over(getattr(group.primary, end))
            if end == "freeze":
                group.primary.thaw()
        with opened(group.url) as store:
            assert store.client.connection_pool.get_master_address()[1] == group.replica.port
            fold(store, folding.clock(begun))

            assert_exact(store, attempts(sent), folding.clock(begun), seconds=6 * 3600)


def test_a_batch_that_is_ninety_minutes_late_is_counted_once_and_in_its_time(server: Server) -> None:
    then = NOW_US - 90 * 60 * SECOND
    sent, now = work(2, 3, 5, at_us=then), work(2, 3, 5, first=10_000)
    with opened(url_of(server)) as store:
        fold(store, then)
        for minutes in range(0, 90, 5):
            fold(store, then + minutes * 60 * SECOND)
        for one in [*now, *sent, *sent]:
            inbox.send(store, one, None)
        fold(store, NOW_US)

        assert_exact(store, attempts([*sent, *now]), NOW_US, seconds=2 * 3600)
        assert sum(window(store, 3600, NOW_US).values()) == 30
        fold(store, NOW_US + 2 * 3600 * SECOND)
        assert sum(window(store, 5 * 3600, NOW_US + 2 * 3600 * SECOND).values()) == 60


@pytest.mark.parametrize("minutes", [-10, 10])
def test_an_agent_whose_clock_is_ten_minutes_off_is_counted_once(server: Server, minutes: int) -> None:
    off, right = work(1, 5, 5, at_us=NOW_US + minutes * 60 * SECOND), work(2, 5, 5, first=10_000)
    with opened(url_of(server)) as store:
        fold(store, NOW_US)
        for one in [*off, *right, *off]:
            inbox.send(store, one, None)
        fold(store, NOW_US + SECOND)

        assert_exact(store, attempts([*off, *right]), NOW_US + SECOND)
        later = NOW_US + 3600 * SECOND
        fold(store, later)
        assert_exact(store, attempts([*off, *right]), later, seconds=2 * 3600)


@pytest.mark.parametrize("now_us", [NOW_US, NOW_US // SECOND // DAY_S * DAY_S * SECOND + 120 * SECOND])
def test_a_servers_clock_that_jumps_by_ten_minutes_doubles_nothing(server: Server, now_us: int) -> None:
    """Also over midnight, where the memory of what was folded turns a page."""
    sent = work(2, 9, 5, at_us=now_us)
    with opened(url_of(server)) as store:
        for number, one in enumerate(sent):
            inbox.send(store, one, None)
            fold(store, now_us + (0, -600, 600)[number % 3] * SECOND)
            for again in sent[: number + 1]:
                inbox.send(store, again, None)
            fold(store, now_us + (-600, 600, 0)[number % 3] * SECOND)
        fold(store, now_us + 600 * SECOND)

        assert_exact(store, attempts(sent), now_us + 600 * SECOND)
