"""An app whose task uses everything there is to record inside one, with secrets wherever one can be put."""

from __future__ import annotations

import logging
import logging.config
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from celery.utils.log import get_task_logger

from celery_monitor import Monitor, label, measure, span, wait, wait_begin, wait_end, workflow

SECRET = "hunter2hunter2"
CARD = "4111111111111111"
SECRETS = (SECRET, CARD)

app = Celery("inside")
app.conf.update(
    monitor_flush_interval=0.2,
    monitor_capture_arguments=True,
    monitor_capture_results=True,
    monitor_capture_span_data="repr",
    monitor_label_keys=["tier"],
    monitor_redact={"keys": ["pin"], "patterns": ["EMP-[0-9]+"]},
    monitor_exclude={"tasks": ["inside.private"], "labels": ["email"], "loggers": ["chatty"]},
)
Monitor(app)
if os.environ.get("OWN_LOGGING"):

    @setup_logging.connect(weak=False)
    def own_logging(**_: Any) -> None:
        """Set up logging as users do who want Celery's hands off it."""
        logging.config.dictConfig(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "formatters": {"json": {"()": "celery_monitor.logs.JsonFormatter"}},
                "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "json"}},
                "root": {"level": "INFO", "handlers": ["console"]},
            }
        )


log = get_task_logger("inside")


if path := os.environ.get("OUR_LOG"):
    logging.getLogger("celery_monitor").addHandler(logging.FileHandler(path))


class Broken:
    """A value that says too much when it is asked for its text."""

    def __str__(self) -> str:
        raise ValueError(f"password={SECRET}")


@app.task(name="inside.agent")
def agent(order: int, password: str, pin: str = "") -> dict[str, Any]:
    label("session", "s1")
    label(email=f"{SECRET}@shop", token=SECRET)
    with span("plan", kind="agent"):
        with span("web_search", kind="tool", card=CARD) as found:
            found.set(status=200, api="duckduckgo", api_seconds=0.25, results=7, authorization=f"Bearer {SECRET}")
        with span("fetch", kind="tool") as failed:
            failed.fail(OSError(f"GET https://anna:{SECRET}@shop failed"))
    label(broken=Broken())
    measure(f"password={SECRET}", "no number")  # type: ignore[arg-type]
    measure("tokens", 512)
    measure("tokens", 88)
    measure("cost", 0.02, unit="EUR")
    with wait("approval") as approval:
        approval.set(outcome="approved", by="anna")
    logging.getLogger("inside.library").warning("password=%s", SECRET, extra={"api_key": SECRET, "order": order})
    log.warning("card %s", CARD)
    log.info("not kept: the task succeeds")
    logging.getLogger("chatty").error("excluded %s", SECRET)
    return {"token": SECRET, "order": order, "employee": "EMP-123456"}


@app.task(name="inside.fails")
def fails(password: str, note: str = "") -> None:
    log.info("on the way with %s", f"token={SECRET}")
    with span("db"):
        raise ValueError(f"no login with password={password} and {{'api_key': '{SECRET}'}}, card {CARD}")


@app.task(name="inside.private")
def private(name: str) -> str:
    logging.getLogger("inside").error("%s is here", name)
    with span("look up", who=name):
        raise LookupError(f"{name} is unknown")


@app.task(name="inside.named")
def named() -> None:
    """Be part of a workflow whose name and labels say too much."""
    label(tier=f"token={SECRET}")
    with span(f"password={SECRET}", kind=f"token={SECRET}") as said:
        said.set(api=f"https://anna:{SECRET}@api")
    measure(f"token={SECRET}", 1, unit=f"password={SECRET}")


def publish() -> tuple[list[str], str]:
    """Publish one of each, report a measure and a wait of the run from outside, and return ids and the run."""
    with workflow("support", user="u1", description=f"password={SECRET}") as flow:
        ids = [
            agent.delay(17, SECRET, pin=SECRET).id,
            fails.delay(SECRET, "n" * 5000).id,
            private.delay(SECRET).id,
        ]
    wait_begin(flow.run_id, "payment")
    measure("score", 0.9, kind="gauge", run_id=flow.run_id)
    wait_end(flow.run_id, "payment", outcome="paid", by="the bank")
    with workflow(f"login password={SECRET}", description=f"with card {CARD}", tier=f"secret={SECRET}") as told:
        named.delay()
    wait_begin(told.run_id, f"token={SECRET}")
    wait_end(told.run_id, f"token={SECRET}", outcome=f"password={SECRET}", by=f"https://anna:{SECRET}@bank")
    return ids, flow.run_id
