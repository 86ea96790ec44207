"""Every address of ours below Flower's prefix."""

from __future__ import annotations

import re
from typing import Any

from tornado.web import url

from celery_monitor.web import answers, handlers
from celery_monitor.web.assets import STATIC
from celery_monitor.web.live import LiveSocket
from celery_monitor.web.site import Site


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
        url(root, handlers.OverviewPage, shared, name="celery-monitor"),
        *(question(_pattern(path), answer) for path, answer in answers.PATHS.items()),
        url(root + "/api(?:/.*)?", handlers.NoSuchPath, shared),
        url(root + "/metrics", handlers.Metrics, shared),
        url(root + "/ws", LiveSocket, shared),
        url(root + "/static/(.*)", handlers.StaticFile, {"path": str(STATIC)}),
    ]


def _pattern(path: str) -> str:
    """Return the expression of a path whose parts in braces stand for anything without a slash."""
    return re.sub(r"\{\w+\}", "([^/]+)", path)
