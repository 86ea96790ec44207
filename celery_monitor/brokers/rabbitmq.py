"""What RabbitMQ's management API knows beyond a passive declare: unacknowledged messages, the oldest one's time."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from celery_monitor.brokers.sample import QueueSample

TIMEOUT_S: Final = 2.0
"""Longest wait for each part of the answer."""
_MOST_BYTES: Final = 4 * 1024 * 1024
"""Of an answer: some 20,000 queues."""
_COLUMNS: Final = "name,messages_unacknowledged,head_message_timestamp"
FAILURES: Final = (OSError, HTTPException, ValueError)
"""What `queues` raises when the API does not answer, or not as it should."""


def queues(api: str, vhost: str, user: str | None, password: str | None) -> dict[str, Mapping[str, Any]]:
    """Return what the API says of every queue of a virtual host, by name; figures are up to 5 s old.

    Parameters:
        api: its URL, ``http://user:password@host:15672``; without credentials those of the broker are used.
        vhost: name of the virtual host.
        user, password: the broker's.

    Raises:
        OSError, HTTPException, ValueError: see `FAILURES`.
    """
    parts = urlsplit(api)
    name, secret = (unquote(parts.username), unquote(parts.password or "")) if parts.username else (user, password)
    where = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
    token = base64.b64encode(f"{name or 'guest'}:{secret or ''}".encode()).decode("ascii")
    request = urllib.request.Request(  # noqa: S310 - the setting takes http and https only
        f"{where}/api/queues/{quote(vhost, safe='')}?columns={_COLUMNS}", headers={"Authorization": f"Basic {token}"}
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:  # noqa: S310 - as above
        data = reply.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError(f"more than {_MOST_BYTES} bytes of queues")
    found = json.loads(data)
    if not isinstance(found, list):
        raise ValueError("no list of queues")  # noqa: TRY004 - of what was read, not of an argument
    return {str(row["name"]): row for row in found if isinstance(row, dict) and "name" in row}


def completed(sample: QueueSample, row: Mapping[str, Any] | None, now_us: int) -> QueueSample:
    """Return a sample with what the API knows of its queue.

    >>> row = {"messages_unacknowledged": 3, "head_message_timestamp": 40}
    >>> completed(QueueSample(backlog=2), row, 52_000_000).gauges()
    {'backlog': 2.0, 'oldest_s': 12.0, 'unacked': 3.0}
    """
    if row is None or sample.backlog is None:
        return sample
    unacked, stamp = row.get("messages_unacknowledged"), row.get("head_message_timestamp")
    age = 0.0 if sample.backlog == 0 else max(0.0, now_us / 1e6 - stamp) if isinstance(stamp, int) else None
    return replace(sample, unacked=unacked if isinstance(unacked, int) else None, oldest_s=age)
