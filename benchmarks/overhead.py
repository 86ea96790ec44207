"""What monitoring costs a whole Celery worker (prefork, one child, a task that does nothing), against bare Celery.

Every configuration has a Redis and a worker of its own; all stay up, and take turns with a prepared batch of messages:
A B C A B C, the order rotated by one in each round. CPU is the process clock of worker parent, child, Redis and monitor
process. `bare-again` is the control: what cannot be told from it cannot be told at all. Linux only; run from the
checkout: ``python benchmarks/overhead.py --spin``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig import Batch, Rig, Setup

SETUPS = {
    "bare": Setup(),
    "bare-again": Setup(),
    "ours": Setup(monitor=True),
    "ours of 2": Setup(monitor=True, folder=True),
    "-E": Setup(events=True),
    "-E + Flower": Setup(events=True, flower=True),
}
SPIN = """
import os
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
me = os.getppid()
while os.getppid() == me:
    for _ in range(1000000): pass
"""
HEAD = (
    f"{'us CPU per task':<14}{'worker':>8}{'d10':>7}{'parent':>8}{'child':>7}{'+parent':>9}{'+child':>8}{'redis':>7}"
    f"{'monitor':>9}{'+total':>8}{'x bare':>8}{'tasks/s':>9}{'x bare':>8}{'cmds':>8}{'+in B':>7}{'+out B':>8}"
    f"{'+MiB p,c':>12}{'idle ms/s':>11}"
)
BUDGETS = """Budgets of ours, against bare: CPU of the worker <= 20 us per task, of which <= 5 in the parent (the method
resolves about 30 us, so see hot_path.py beside it); throughput not told from bare-again; <= 0.005 Redis commands
and <= 50 bytes in per task; <= 2 MiB in the child, <= 15 MiB in the parent. What a process burns when it has no task
is in the figures of its batches as well, and shown beside them: idle, worker and monitor process."""


def measure(rigs: dict[str, Rig], rounds: int) -> dict[str, list[Batch]]:
    """Give every rig a batch per round, the order rotated, and return what they cost."""
    names = list(rigs)
    batches: dict[str, list[Batch]] = {name: [] for name in names}
    for at in range(rounds):
        turn = at % len(names)
        for name in names[turn:] + names[:turn]:
            batches[name].append(rigs[name].run())
    return batches


def report(rigs: dict[str, Rig], batches: dict[str, list[Batch]]) -> None:
    """Print the table."""
    bare = batches["bare"]
    base = middle(batch.total for batch in bare)
    print(HEAD)
    for name, those in batches.items():
        of = _median_of(those)
        more = [_paired(those, bare, field) for field in ("parent", "child", "total", "bytes_in", "bytes_out")]
        memory = [(rigs[name].peak_kib(who) - rigs["bare"].peak_kib(who)) / 1024 for who in ("parent", "child")]
        print(
            f"{name:<14}{of('worker'):8.0f}{lower_decile(b.worker for b in those):7.0f}{of('parent'):8.0f}"
            f"{of('child'):7.0f}{more[0]:+9.0f}{more[1]:+8.0f}{of('redis'):7.0f}{of('monitor'):9.0f}{more[2]:+8.0f}"
            f"{of('total') / base:8.2f}{of('rate'):9.0f}{of('rate') / middle(b.rate for b in bare):8.2f}"
            f"{of('commands'):8.3f}{more[3]:+7.0f}{more[4]:+8.0f}{f'{memory[0]:+.1f},{memory[1]:+.1f}':>12}"
            f"{rigs[name].idle():11.2f}"
        )
    print(BUDGETS)


def _median_of(batches: list[Batch]) -> Callable[[str], float]:
    return lambda field: middle(getattr(batch, field) for batch in batches)


def _paired(batches: list[Batch], bare: list[Batch], field: str) -> float:
    """Return the median difference from bare of the same round, seconds away."""
    return middle(getattr(b, field) - getattr(a, field) for b, a in zip(batches, bare, strict=True))


def middle(values: Iterable[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def lower_decile(values: Iterable[float]) -> float:
    """Return the lower decile: what it costs when others leave the machine alone."""
    ordered = sorted(values)
    return ordered[len(ordered) // 10]


def main() -> None:
    """Parse the command line, start everything, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6, help="batches per configuration (default 6)")
    parser.add_argument("--tasks", type=int, default=400, help="tasks in a batch (default 400)")
    parser.add_argument("--only", help=f"configurations beside bare, comma separated, of {', '.join(SETUPS)}")
    parser.add_argument("--spin", action="store_true", help="keep CPUs from going idle, at the lowest priority")
    options = parser.parse_args()
    wanted = ["bare", *(options.only.split(",") if options.only else [name for name in SETUPS if name != "bare"])]
    spinners = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range((os.cpu_count() or 1) * options.spin)]
    rigs: dict[str, Rig] = {}
    try:
        for name in wanted:
            rigs[name] = Rig(SETUPS[name], options.tasks)
        report(rigs, measure(rigs, options.rounds))
    finally:
        for rig in rigs.values():
            rig.close()
        for spinner in spinners:
            spinner.kill()


if __name__ == "__main__":
    main()
