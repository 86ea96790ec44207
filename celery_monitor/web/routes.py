"""Every address of ours below Flower's prefix."""

from __future__ import annotations

import re
from typing import Any, Final

from tornado.web import url

from celery_monitor.web import answers, handlers
from celery_monitor.web.assets import STATIC
from celery_monitor.web.live import LiveSocket
from celery_monitor.web.site import Site

PAGES: Final = (
    "/workflows",
    "/workflows/{name}",
    "/runs",
    "/runs/{id}",
    "/executions",
    "/executions/{id}",
    "/tasks",
    "/tasks/{name}",
    "/failures",
    "/failures/{fingerprint}",
    "/logs",
    "/workers",
    "/workers/{name}",
    "/hosts/{name}",
    "/resources",
    "/queues",
    "/queues/{name}",
    "/schedule",
)
"""Addresses of pages below the tab's own; each is answered with the same document, whose script reads the address."""


def routes(site: Site, prefix: str) -> list[Any]:
    """Return the rules to add to a Tornado application.

    Parameters:
        site: handed to every handler.
        prefix: empty, or a slash and Flower's `url_prefix` without slashes at its ends.
    """
    root = re.escape(prefix) + "/monitor"
    api = root + "/api/v1"
    shared = {"site": site}

    def question(path: str, answer: answers.Answer[bytes]) -> Any:
        return url(api + path, handlers.Question, {**shared, "answer": answer})

    return [
        url(root, handlers.Page, shared, name="celery-monitor"),
        # Slashes at the end are taken off by a redirect; the named rule has none, so that it can be reversed.
        *(url(root + _pattern(path) + "/*", handlers.Page, shared) for path in ("", *PAGES)),
        *(question(_pattern(path), answer) for path, answer in answers.PATHS.items()),
        url(root + "/api(?:/.*)?", handlers.NoSuchPath, shared),
        url(root + "/metrics", handlers.Metrics, shared),
        url(root + "/ws", LiveSocket, shared),
        url(root + "/static/(.*)", handlers.StaticFile, {"path": str(STATIC)}),
    ]


def _pattern(path: str) -> str:
    """Return the expression of a path whose parts in braces stand for anything without a slash."""
    return re.sub(r"\{\w+\}", "([^/]+)", path)
