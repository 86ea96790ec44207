"""What storing costs: the server, the tick, bytes, and how long questions take, with synthetic agents.

Agents hand in what real ones would, on a clock that nobody waits for: a minute of a fleet takes seconds. CPU is that
of the server (INFO) and of this thread, for a shared machine makes wall times worthless. The same tasks go into two
layouts that write in place, in the same run. Run from the checkout: ``python benchmarks/storage.py``.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import redis

from benchmarks import layouts
from benchmarks.fleet import NAMES, SECOND, Fleet, count_worker
from celery_monitor.agent.thread import flush_s
from celery_monitor.cli.embedded import EmbeddedServer
from celery_monitor.model import Batch
from celery_monitor.query.reader import Reader
from celery_monitor.signals.record import unpack_id
from celery_monitor.store import inbox, usage
from celery_monitor.store.connection import Store
from celery_monitor.store.fold import fold
from celery_monitor.store.rollups.tier_bytes import cost
from celery_monitor.store.rollups.tiers import ALL, FAILED_AT, FAILURES, TASKS, TIERS, WORKERS, keep_s

NOW_US = 1_763_640_000 * SECOND
TICK_S = 5
MIB = 1024 * 1024
_TAKES_S = {"layouts": 5.0, "rollups": 10.0, "reads": 15.0, "costs": 8.0}
"""About how long a table takes, of costs its longest fleet: what is kept for those that follow."""


class Row(NamedTuple):
    """One fleet: workers, tasks per second, seconds of it."""

    workers: int
    rate: int
    seconds: int


ROWS = (
    Row(200, 10_000, 5), Row(50, 1_000, 10), Row(1_000, 100_000, 1), Row(10, 100, 60), Row(10, 10, 120),
    Row(100, 1_000, 10), Row(1_000, 1_000, 10),
)  # fmt: skip
PARTS = (TASKS, WORKERS, ALL, FAILURES, FAILED_AT)


class Cost(NamedTuple):
    """What the server has done so far: CPU in s, commands, bytes that came in."""

    cpu_s: float
    commands: int
    bytes_in: int

    def since(self, before: Cost) -> Cost:
        """Return what was added."""
        return Cost(*(now - was for now, was in zip(self, before, strict=True)))


class Server:
    """The private server and what it says of itself."""

    def __init__(self, embedded: EmbeddedServer) -> None:
        self.url = embedded.url
        self.client = redis.Redis.from_url(embedded.client_url)

    def cost(self) -> Cost:
        """Return what the server has done since its start."""
        info = self.client.info("everything")
        commands = sum(of["calls"] for name, of in info.items() if name.startswith("cmdstat_") and "info" not in name)
        return Cost(info["used_cpu_user"] + info["used_cpu_sys"], commands, info["total_net_input_bytes"])

    def used(self) -> int:
        """Return the bytes of all data."""
        return int(self.client.info("memory")["used_memory_dataset"])

    def watch(self) -> None:
        """Forget the slow commands so far, and note every command from a millisecond on."""
        self.client.config_set("slowlog-log-slower-than", 1000)
        self.client.config_set("slowlog-max-len", 1000)
        self.client.slowlog_reset()

    def longest_ms(self) -> float:
        """Return how long the longest command since `watch` took; 1 when none took longer."""
        return max((entry["duration"] / 1000 for entry in self.client.slowlog_get(1000)), default=1.0)

    def empty(self, namespace: str, **budgets: int) -> Store:
        """Return a store with nothing in it."""
        self.client.flushall()
        return Store.open(self.url, namespace, timeout_s=30.0, **budgets)


def costs(server: Server, row: Row) -> dict[str, float]:
    """Return what a fleet costs."""
    store, fleet = server.empty("costs"), Fleet(row.workers, row.rate, flush_s(row.workers))
    made = list(fleet.batches(NOW_US, row.seconds))
    tasks = sum(len(batch.attempts) for batch in made)
    fold(store, NOW_US)
    gc.collect()
    gc.freeze()  # to look through the fleet's rows for garbage is not what a tick costs
    server.watch()
    before, spent, bytes_in = server.cost(), 0.0, 0
    for at_us in range(NOW_US, NOW_US + row.seconds * SECOND, TICK_S * SECOND):
        mark = server.cost()
        for batch in made:
            if at_us <= batch.at_us < at_us + TICK_S * SECOND:
                inbox.send(store, batch, None)
        bytes_in += server.cost().since(mark).bytes_in
        spent += folding(store, at_us + TICK_S * SECOND)
    total = server.cost().since(before)
    held = usage.read(store, NOW_US + row.seconds * SECOND)
    store.close()
    gc.unfreeze()
    return {
        "cpu": 100 * total.cpu_s / row.seconds,
        "flushes": len(made) / tasks,
        "in": bytes_in / tasks,
        "tick": 1e6 * spent / tasks,
        "stored": (held.executions + held.logs) / tasks,
        "longest": server.longest_ms(),
    }


def folding(store: Store, now_us: int) -> float:
    """Fold; return the CPU seconds it took this thread."""
    began = time.thread_time()
    fold(store, now_us)
    return time.thread_time() - began


def table_of_costs(server: Server, until: float) -> None:
    """Print what fleets cost, the first and as many more as there is time for (`time.process_time`)."""
    print("What a fleet costs (ours)\n")
    print(f"{'workers':>8}{'tasks/s':>9}{'flush':>7}{'redis CPU':>11}{'flushes':>10}{'bytes in':>10}{'tick us':>9}"
          f"{'stored B':>10}{'longest':>10}")  # fmt: skip
    print(f"{'':>24}{'% of core':>11}{'/task':>10}{'/task':>10}{'/task':>9}{'/task':>10}{'ms':>10}")
    for row in ROWS:
        if row is not ROWS[0] and time.process_time() > until:
            print(f"{row.workers:>8}{row.rate:>9}   left out: the time is over, see --seconds")
            continue
        c = costs(server, row)
        print(f"{row.workers:>8}{row.rate:>9}{flush_s(row.workers):>6.0f}s{c['cpu']:>11.2f}{c['flushes']:>10.4f}"
              f"{c['in']:>10.0f}{c['tick']:>9.1f}{c['stored']:>10.1f}{c['longest']:>10.1f}", flush=True)  # fmt: skip
    print(
        "\nBudgets: redis <= 0.5 % at 50 workers and 1k/s, <= 6 % at 1000 and 100k/s; at load <= 0.005 commands and"
        "\n<= 50 bytes in per task, tick <= 5 us per task from 10k/s on; stored <= 55 B; longest command <= 10 ms.\n"
    )


def table_of_layouts(server: Server, tasks: int) -> None:
    """Print the same tasks in our layout and in two that write in place."""
    fleet = Fleet(50, 1_000, 2.0)
    made = list(fleet.batches(NOW_US, tasks / 1_000))
    ways: dict[str, Callable[[], object]] = {
        "ours: log, then fold": lambda: ours(server, made),
        "HINCRBY per series": lambda: layouts.counted(server.client, made),
        "hash per task": lambda: layouts.hashed(server.client, made),
    }
    print(f"The same {tasks} tasks of 50 workers at 1k/s in other layouts\n")
    print(f"{'layout':<24}{'redis us/task':>14}{'commands/task':>15}{'bytes in/task':>15}{'bytes held/task':>17}")
    for name, run in ways.items():
        server.client.flushall()
        base, before = server.used(), server.cost()
        run()
        cost, held = server.cost().since(before), server.used() - base
        figures = 1e6 * cost.cpu_s / tasks, cost.commands / tasks, cost.bytes_in / tasks, held / tasks
        print(name.ljust(24) + "{:>14.1f}{:>15.3f}{:>15.0f}{:>17.0f}".format(*figures), flush=True)
    print(
        "\nOurs holds counters with percentiles, rows and their index; HINCRBY holds counters and percentiles only, the"
        "\nhashes hold rows and their index only. Commands are all that ran, those inside our scripts included.\n"
    )


def ours(server: Server, made: Sequence[Any]) -> None:
    """Hand batches in and fold them every few seconds."""
    store, folded_us = Store.open(server.url, "ours", timeout_s=30.0), NOW_US
    for batch in made:
        if batch.at_us - folded_us >= TICK_S * SECOND:
            folded_us = batch.at_us
            fold(store, folded_us)
        inbox.send(store, batch, None)
    fold(store, made[-1].at_us)
    store.close()


def table_of_rollups(server: Server) -> None:
    """Print what 30 days of rollups take, for a day made in two ways: the mean bucket of each tier times how many."""
    steps = [tier.step_s for tier in TIERS]
    made = []
    for make in (hour, day):  # each begins with an empty server
        store = make(server)
        made.append(bytes_of_parts(store))
        store.close()
    flushed, batched = made
    ways = {
        "as it comes, tick by tick": {step: flushed[step] if step <= steps[3] else batched[step] for step in steps},
        "ten minutes at once": {step: flushed[step] if step < steps[2] else batched[step] for step in steps},
    }
    print("30 days of rollups, 1M tasks/day, 50 names x 2 queues, 50 workers (budget 50 MB)\n")
    print(f"{'':<10}{'buckets':>8}{'of w':>8}" + "".join(f"{part:>8}" for part in PARTS) + f"{'all B':>10}{'MB':>8}")
    for name, tiers in ways.items():
        total = 0.0
        print(name)
        for tier in TIERS:
            parts = tiers[tier.step_s]
            kept = {part: min(keep_s(tier, part), 30 * 86_400) // tier.step_s for part in PARTS}
            held = sum(kept[part] * size for part, size in parts.items()) / 1e6
            total += held
            told = "".join(f"{parts.get(part, 0):>8.0f}" for part in PARTS)
            print(f"{tier.step_s:>8} s{kept[TASKS]:>8}{kept[WORKERS]:>8}{told}{sum(parts.values()):>10.0f}{held:>8.1f}")
        print(f"{'':<10}{'':>16}{'':>{8 * len(PARTS)}}{'':>10}{total:>8.1f}", flush=True)
    print("\nBytes of a mean bucket by part: tq tasks by queue, w workers, f and fa failures; keys are counted in.\n")


def bytes_of_parts(store: Store) -> dict[int, dict[str, float]]:
    """Return what each part of a full bucket takes in the mean, by tier: its first and last buckets are not full."""
    sizes: dict[int, dict[int, dict[str, int]]] = {}
    for key in store.client.scan_iter(f"{store.keys.tag}r:*", 1000):
        step, bucket, part = key.decode().split(":")[4:]
        size = cost(key.decode(), store.client.get(key))
        sizes.setdefault(int(step), {}).setdefault(int(bucket), {})[part] = size
    found = {}
    for step, buckets in sizes.items():
        full = sorted(buckets)[1:-1] or sorted(buckets)[-1:]
        found[step] = {part: sum(buckets[at].get(part, 0) for at in full) / len(full) for part in PARTS}
    return found


def hour(server: Server) -> Store:
    """Return a store with an hour of 1M tasks a day and a minute more, folded every minute."""
    store, fleet = server.empty("hour"), Fleet(50, 11.6, 10.0)
    folded_us = NOW_US // (3600 * SECOND) * 3600 * SECOND
    fold(store, folded_us)
    flushed = Batch(fleet.agents[0].boot, 1, "hour", folded_us)  # all agents' flushes of ten seconds as one
    for batch in fleet.batches(folded_us, 3600 + 60):
        if batch.at_us - folded_us >= 60 * SECOND:
            folded_us = batch.at_us
            fold(store, folded_us)
        if batch.at_us - flushed.at_us >= 10 * SECOND:
            inbox.send(store, flushed, None)
            flushed = Batch(flushed.boot, flushed.n + 1, flushed.host, batch.at_us)
        count_worker(batch.metrics, batch.host)
        flushed.metrics.merge(batch.metrics)
    fold(store, folded_us + 120 * SECOND)
    return store


def day(server: Server) -> Store:
    """Return a store with a day of 1M tasks: each ten minutes arrive at once."""
    store, fleet = server.empty("day"), Fleet(50, 11.6, 600.0)
    start = NOW_US - 86_400 * SECOND
    fold(store, start)
    for ten in range(144):
        at_us = start + ten * 600 * SECOND
        inbox.send(store, fleet.counters(at_us, 600.0), None)
        fold(store, at_us + 640 * SECOND)
    return store


def table_of_reads(server: Server, tasks: int) -> None:
    """Print how long questions take."""
    store = day(server)
    fleet = Fleet(50, 100_000, 1.0, seed=2)
    ids: list[bytes] = []
    for number, batch in enumerate(fleet.batches(NOW_US - 3600 * SECOND, tasks / 100_000)):
        batch.metrics.cells.clear()
        ids += [row.id for row in batch.attempts[:20]]
        inbox.send(store, batch, None)
        if number % 20 == 19:
            fold(store, NOW_US)
    fold(store, NOW_US)
    reader = Reader(store)
    print(f"Questions: 24 h at 1M tasks/day in the rollups, {tasks} tasks stored; CPU and wall ms, median and p95\n")
    ask(
        "execution by id (budget 5)",
        [lambda i=i: reader.execution(unpack_id(i), NOW_US) for i in ids[:: max(len(ids) // 50, 1)]],
    )
    ask("failed of X in 24 h (budget 20)", [
        lambda name=name: reader.executions(task=name, state="FAILURE", now_us=NOW_US) for name in NAMES[:20]
    ])  # fmt: skip
    ask("failures, 24 h", [lambda: reader.failures("24h", now_us=NOW_US)] * 10)
    ask("dashboard 24 h, cold (budget 60)", [lambda: Reader(store).summary("24h", NOW_US)] * 7)
    ask("dashboard 24 h, warm (budget 20)", [lambda: reader.summary("24h", NOW_US)] * 10)
    ask("one task, 24 h, warm", [lambda: reader.task(NAMES[0], "24h", NOW_US)] * 7)
    ask("quantiles of a task, 24 h, warm", [lambda: reader.quantiles(f"task:{NAMES[0]}", now_us=NOW_US)] * 10)
    ask("dashboard 15 min", [lambda: reader.summary("15m", NOW_US)] * 10)
    store.close()


def ask(what: str, questions: Sequence[Callable[[], object]]) -> None:
    """Ask, and print how long it took."""
    cpu, wall = [], []
    for question in questions:
        began, at = time.thread_time(), time.perf_counter()
        question()
        cpu.append(1000 * (time.thread_time() - began))
        wall.append(1000 * (time.perf_counter() - at))
    figures = [sorted(of)[min(int(len(of) * q), len(of) - 1)] for of in (cpu, wall) for q in (0.5, 0.95)]
    print(f"{what:<36}" + "CPU {:6.1f} {:6.1f}   wall {:6.1f} {:6.1f}".format(*figures), flush=True)


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--seconds", type=float, default=60, help="of CPU; nothing more is begun shortly before they are over"
    )
    parser.add_argument("--tasks", type=int, default=5_000, help="tasks that each layout stores")
    parser.add_argument("--stored", type=int, default=30_000, help="tasks that are stored when questions are asked")
    parser.add_argument("--only", default="layouts,rollups,reads,costs", help="tables, with commas between")
    asked = parser.parse_args()
    end = time.process_time() + asked.seconds
    tables: dict[str, Callable[[Server, float], None]] = {
        "costs": table_of_costs,
        "layouts": lambda server, _: table_of_layouts(server, asked.tasks),
        "rollups": lambda server, _: table_of_rollups(server),
        "reads": lambda server, _: table_of_reads(server, asked.stored),
    }
    names = asked.only.split(",")
    with EmbeddedServer() as embedded:
        server = Server(embedded)
        for at, name in enumerate(names):
            until = end - sum(_TAKES_S[one] for one in names[at:])
            if at and time.process_time() > end - _TAKES_S[name]:
                print(f"{name}: left out, the time is over, see --seconds")
            else:
                tables[name](server, until)


if __name__ == "__main__":
    main()
