"""How Flower is extended: its application class is subclassed and rebound; no file of Flower is edited.

This is the only file that knows Flower's insides. It imports neither Flower nor Tornado itself, because every
worker that has Flower installed runs `arm`; what it relies on is pinned by `tests/web/test_plugin.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import importlib.abc
import importlib.machinery
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from celery_monitor.errors import ConfigurationError

log = logging.getLogger(__name__)

_TARGET = "flower.app"
_CLOSE_TIMEOUT_S = 3.0  # Flower's exit waits at most so long for our sockets and threads


def arm() -> None:
    """Extend Flower now if it is imported, else as soon as `flower.app` is; further calls do nothing.

    Called when a Monitor is made and when the command line loads our entry point: the second catches one
    that is made late, inside Flower's own start.
    """
    if hasattr(sys.modules.get(_TARGET), "Flower"):
        install()
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def install() -> None:
    """Put our subclass in the place of `flower.app.Flower`, also where `flower.command` has already taken it.

    Raises:
        KeyError: `flower.app` is not imported; use `arm`.
    """
    module = sys.modules[_TARGET]
    base = module.Flower
    if getattr(base, "has_celery_monitor", False):
        return
    module.Flower = extended = _extend(base)  # type: ignore[attr-defined]
    command = sys.modules.get("flower.command")  # may be half imported, then it takes the new name itself
    if getattr(command, "Flower", None) is base:
        command.Flower = extended  # type: ignore[union-attr]


class _Finder(importlib.abc.MetaPathFinder):
    """Lets the usual finders load `flower.app` and installs right after its code has run; then it is gone."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != _TARGET:
            return None
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    """Flower's own loader, followed by `install`."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._inner.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        self._inner.exec_module(module)
        try:
            install()
        except Exception:  # Flower has to run, with our tab or without
            log.exception("celery-monitor: Flower %s could not be extended, it runs without the tab", module)

    def __getattr__(self, name: str) -> Any:
        # inspect and linecache ask the loader for the source.
        return getattr(self._inner, name)


def _extend(base: Any) -> Any:
    """Return a subclass of Flower's application with the tab, our routes and an orderly end."""

    class MonitorFlower(base):  # type: ignore[misc]
        has_celery_monitor = True
        celery_monitor_site: Any = None

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs["ui_modules"] = [kwargs.get("ui_modules", {}), {"Template": _navigation_module()}]
            super().__init__(*args, **kwargs)
            try:
                _attach(self)
            except Exception:
                log.exception("celery-monitor: the tab is off, Flower runs without it")

        def start(self) -> None:
            _stop_loop_on_sigterm(self.io_loop)
            try:
                super().start()
            finally:
                _close(self)

    return MonitorFlower


def _attach(flower: Any) -> None:
    """Add our routes to a Flower whose Celery app has a Monitor; without one nothing changes."""
    monitor = getattr(flower.capp, "celery_monitor", None)
    if monitor is None or not _is_enabled(monitor):
        return
    # Imported here: these need Tornado and Flower, which a worker must not load.
    from celery_monitor.web.routes import routes  # noqa: PLC0415
    from celery_monitor.web.site import Site  # noqa: PLC0415

    prefix = (flower.options.url_prefix or "").strip("/")
    site = Site(monitor)
    # Rules added so are tried before those of the constructor, so Flower's catch-all does not hide them.
    flower.add_handlers(r".*", routes(site, f"/{prefix}" if prefix else ""))
    flower.celery_monitor_site = site
    with contextlib.suppress(ConfigurationError):  # the page says what is wrong
        monitor.appear("flower")


def _is_enabled(monitor: Any) -> bool:
    """Return the setting; when the settings are wrong the tab is there, and says what is wrong with them."""
    try:
        return bool(monitor.settings.enabled)
    except ConfigurationError:
        return True


def _stop_loop_on_sigterm(io_loop: Any) -> None:
    """Replace Flower's SIGTERM handler, if it is in place, by one that stops the loop.

    Flower's raises SystemExit wherever the main thread is at that moment; inside a weakref callback or a
    coroutine it is swallowed and the server runs on until a second SIGTERM.
    """
    theirs = getattr(sys.modules.get("flower.command"), "sigterm_handler", None)
    if theirs is None or threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is theirs:
        loop = io_loop.asyncio_loop
        signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(io_loop.stop))


def _close(flower: Any) -> None:
    """Cancel our tasks and wait for them, so that no coroutine is cut in its middle."""
    site = flower.celery_monitor_site
    if site is None:
        return
    try:
        flower.io_loop.run_sync(site.close, timeout=_CLOSE_TIMEOUT_S)
    except (Exception, asyncio.CancelledError):
        log.debug("celery-monitor: closing took too long", exc_info=True)


def _navigation_module() -> Any:
    """Return Tornado's template module with our tab added to what it renders for the navigation bar."""
    import tornado.web  # noqa: PLC0415 - see the module's docstring

    class NavigationModule(tornado.web.TemplateModule):
        def render(self, path: str, **kwargs: Any) -> bytes:
            bar = super().render(path, **kwargs)
            if path != "navbar.html" or getattr(self.handler.application, "celery_monitor_site", None) is None:
                return bar
            try:
                link = self.handler.reverse_url
                active = kwargs.get("active_tab") == "monitor"
                return add_tab(bar.decode(), link("broker"), link("celery-monitor"), active=active).encode()
            except Exception:
                log.exception("celery-monitor: the tab could not be added to the navigation bar")
                return bar

    return NavigationModule


def add_tab(bar: str, after: str, link: str, *, active: bool) -> str:
    """Return the navigation bar's HTML with the tab "Monitor" after the item that links to `after`.

    Parameters:
        bar: HTML of Flower's `navbar.html`.
        after: address of the item our tab follows.
        link: address of our page.
        active: our page is the one shown.

    Raises:
        ValueError: no list item of the bar links to `after`.
    """
    item = bar.find(f'href="{html.escape(after)}"')
    end = bar.find("</li>", item)
    if item < 0 or end < 0:
        raise ValueError(f"navigation bar: no item links to {after!r}")
    end += len("</li>")
    # Flower 2.0 has a light bar without themes and writes the colour on each link.
    classes = "nav-link" if "app-nav" in bar else "nav-link text-dark"
    current = ' aria-current="page"' if active else ""
    classes += " active" if active else ""
    tab = f'<li class="nav-item"><a class="{classes}" href="{html.escape(link)}"{current}>Monitor</a></li>'
    return f"{bar[:end]}\n        {tab}{bar[end:]}"
