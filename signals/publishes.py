"""Stamps messages with our header before they are published, and records them once the broker has them."""

from __future__ import annotations

from time import time_ns
from typing import Any

from celery_monitor.signals import attempts, header, process
from celery_monitor.signals.layout import PUBLISH, pack_ids
from celery_monitor.signals.record import Flag, Kind, fixed_id, pack_id
from celery_monitor.signals.run import Shape, derive


def stamp(name: str, headers: dict[str, Any], body: Any) -> None:
    """Write the `cm` header: the publish time is always overwritten, the run is decided here and never blanked."""
    about = headers if "id" in headers else body
    if not isinstance(about, dict):
        return
    run, workflow = _run(name, about, headers, body)
    headers[header.NAME] = header.encode(time_ns() // 1000, run, workflow)


def _run(name: str, about: dict[str, Any], headers: dict[str, Any], body: Any) -> tuple[bytes, str]:
    attempt = attempts.current()
    if attempt is not None:
        if about.get("replaced_task_nesting"):  # a replacing workflow starts under other ids, and ends under ours
            attempt.replaced = True
        if _reschedules(attempt, name, about, body):
            return fixed_id(pack_id(str(about.get("id")))), ""
        return attempt.run, attempt.workflow
    known = header.decode(headers.get(header.NAME))
    if known is not None:
        return known.run, known.workflow
    args, embed = (body[0], body[2]) if isinstance(body, (tuple, list)) and len(body) == 3 else (None, about)
    return derive(
        Shape(
            name, str(about.get("id")), about.get("root_id"), about.get("group") or about.get("taskset"),
            embed.get("chain"), embed.get("chord"), args,
        )
    )  # fmt: skip


def _reschedules(attempt: attempts.Open, name: str, about: dict[str, Any], body: Any) -> bool:
    """Tell whether a task publishes itself for later: an endless run otherwise, so each one is a run of its own."""
    if name != attempt.task or about.get("id") == attempt.id or not about.get("eta") or about.get("group"):
        return False
    embed = body[2] if isinstance(body, (tuple, list)) and len(body) == 3 else {}
    return not (embed.get("chain") or embed.get("chord"))


def record(name: str, headers: dict[str, Any], body: Any, exchange: Any, routing_key: str) -> None:
    """Write one PUBLISH record; the broker has the message."""
    about = headers if "id" in headers else body
    stamped = header.decode(headers.get(header.NAME))
    if stamped is None or not isinstance(about, dict):
        return
    task_id = str(about.get("id"))
    flags = Flag.INFRASTRUCTURE if name in attempts.MACHINERY or name.startswith("celery_monitor.") else 0
    process.put(
        Kind.PUBLISH,
        PUBLISH.pack(
            stamped.published_us, attempts.micros(about.get("eta")), min(about.get("retries") or 0, 65535), flags
        )
        + pack_ids(task_id, about.get("root_id"), about.get("parent_id"), about.get("group"), stamped.run)
        + attempts.series(name, attempts.queue_of(exchange, routing_key or ""), stamped.workflow),
    )
    if not process.me.agent:
        process.need_agent()
