"""The program in docs/workflows.md runs, and what it records is what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from celery import Celery

from celery_monitor.query.reader import Reader
from celery_monitor.store.connection import Store
from tests.conftest import WorkerFactory
from tests.parts import ROOT
from tests.signals.apart import apart
from tests.waiting import until


def publish() -> str:
    """Run the README's block with an app of its own; return the name of the task that it publishes."""
    (block,) = (b for b in blocks("README.md") if "workflow(" in b)
    app = Celery("readme", broker="memory://")
    exec(block, {"app": app, "__name__": "readme"})
    with app.connection_for_read() as connection:
        message = connection.SimpleQueue(app.conf.task_default_queue).get(timeout=5)
    name: str = message.headers["task"]
    return name


def test_the_readmes_block_runs() -> None:
    assert apart(publish) == "readme.fetch"


def blocks(page: str) -> list[str]:
    found: list[str] = re.findall(r"```python\n(.+?)```", (ROOT / page).read_text(), re.DOTALL)
    return found


def test_the_guides_program_runs_and_is_recorded_as_it_says(
    worker: WorkerFactory, redis_url: str, tmp_path: Path
) -> None:
    program = "\n".join(blocks("docs/workflows.md"))
    (tmp_path / "guide.py").write_text(program.replace("redis://localhost:6379/0", redis_url))
    worker("guide", cwd=tmp_path, concurrency=1)

    def guide(code: str) -> list[str]:
        env = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
        command = [sys.executable, "-c", f"import guide; {code}"]
        return subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE).stdout.decode().split()

    report, expense = guide("print(guide.report('anna'), guide.submit(100)); guide.answer.delay('?')")
    reader = Reader(Store.open(redis_url, "guide"))
    until(lambda: reader.waits(state="open")["open"] == 1, seconds=60, what="the approval is waited for")
    guide(f"guide.decide('{expense}', 'approved', 'bob'); guide.rate('{expense}', 5)")

    def over(run_id: str) -> dict[str, Any]:
        def found() -> dict[str, Any] | None:
            run = reader.run(run_id)
            return run if run and run["state"] == "SUCCEEDED" and run["waits"] else None

        return until(found, seconds=60, what=f"{run_id} is over") or {}

    daily = over(report)
    assert (daily["workflow"], daily["labels"]) == ("daily_report", {"user": "anna"})
    assert {(span["span"], span["kind"], span["api_status"]) for span in daily["spans"]} == {
        ("search", "tool", None), ("call", "api", 200)
    }  # fmt: skip
    assert [(w["wait"], w["outcome"], w["ended_by"]) for w in daily["waits"]] == [
        ("licence", "granted", "licence server")
    ]
    assert [row["message"] for row in reader.run_logs(report)["logs"]] == ["only 10 rows"]
    results = [a["result"] for e in daily["executions"] for a in (reader.execution(e["id"]) or {})["attempts"]]
    assert results == [10, 10]
    paid = over(expense)
    assert [(w["wait"], w["outcome"], w["ended_by"]) for w in paid["waits"]] == [("approval", "approved", "bob")]
    measures = until(lambda: (reader.run(expense) or {})["measures"], seconds=60, what="the stars are there")
    assert [(m["measure"], m["last"]) for m in measures] == [("stars", 5.0)]
    session = until(lambda: reader.label("session", "s-812"), seconds=60, what="the session is found") or {}
    assert session["run_count"] == 1
