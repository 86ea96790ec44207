"""The composition root: `Monitor(app)` wires settings, signals, the agent, the beat entry and the Flower tab."""

from __future__ import annotations

import atexit
import contextlib
import logging
import socket
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from billiard.util import Finalize
from celery import signals

from celery_monitor.agent import folder
from celery_monitor.agent.thread import Agent, Plan
from celery_monitor.alerts.rules import load_rules
from celery_monitor.config import load_settings
from celery_monitor.errors import ConfigurationError
from celery_monitor.settings import Settings
from celery_monitor.signals import (
    attempts,
    calls,
    consumer,
    content,
    handlers,
    labels,
    logs,
    owner,
    process,
    received,
    redact,
    results,
    timestamps,
    traffic,
)
from celery_monitor.store.connection import Store
from celery_monitor.web import plugin

if TYPE_CHECKING:
    from celery_monitor.periodic import Ticker
    from celery_monitor.query.reader import Reader

logger = logging.getLogger("celery_monitor")
_WORKER_EXIT_S: Final = 3.0
_PRODUCER_EXIT_S: Final = 0.5
_SPARE_SLOTS: Final = 8
_installed: Monitor | None = None


class Monitor:
    """Makes a Celery app see itself; one line in the module that makes the app.

    Settings are ``monitor_*`` in the app's configuration (``CELERY_MONITOR_*`` with Django's namespace ``CELERY``) and
    ``CELERY_MONITOR_*`` in the environment; they are read and checked when the app's configuration is.

    Parameters:
        app: the Celery app. A second app of the same process joins when its settings are the same.

    Raises:
        ConfigurationError: a setting is unknown or of a wrong form, or another Monitor of this process has others.
            Found while Celery configures the app, the worker or beat exits with its message instead.
    """

    def __init__(self, app: Any) -> None:
        self.app = app = getattr(app, "_get_current_object", lambda: app)()  # `celery.current_app` is a proxy
        self.error: ConfigurationError | None = None
        self._said = False
        self._settings: Settings | None = None
        self._agent: Agent | None = None
        self._tickers: dict[str, Ticker] = {}
        self._reader: Reader | None = None
        self._lock = threading.Lock()
        app.celery_monitor = self
        self._register_tick()
        plugin.arm()
        if app.configured:
            self._configure()
        else:
            app.on_after_configure.connect(self._on_configured, weak=False, dispatch_uid="celery_monitor")
            owner.first_use.append(self._on_first_use)
        if self._settings is None or self._settings.enabled:
            handlers.connect()
        app.steps["consumer"].add(consumer.DecodeErrors)
        for name in ("worker_init", "worker_shutdown", "beat_init", "beat_embedded_init"):
            receiver = getattr(self, f"_on_{name}")
            getattr(signals, name).connect(receiver, weak=False, dispatch_uid=f"celery_monitor.{name}.{id(app)}")

    # -- settings ----------------------------------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """The checked settings; raises ConfigurationError when they are not acceptable."""
        if self._settings is None and self.error is None:
            self.app.conf.get("monitor_url")  # loads the configuration, which calls us back
            if self._settings is None and self.error is None:
                self._configure()
        if self._settings is None:
            raise self.error or ConfigurationError("celery-monitor is not configured")
        return self._settings

    def _on_configured(self, **_: Any) -> None:
        with contextlib.suppress(ConfigurationError):
            self._configure()

    def _on_first_use(self) -> None:
        """Read the settings for a process that records before it has published anything."""
        with contextlib.suppress(ConfigurationError):
            self.settings  # noqa: B018 - reading them is the point

    def _configure(self) -> None:
        global _installed
        try:
            settings = load_settings(self.app)
            if _installed is not None and settings.namespace_is_default:  # nobody chose it: join the first app's
                settings = replace(
                    settings,
                    namespace=_installed.settings.namespace,
                    namespace_is_default=_installed.settings.namespace_is_default,
                )
            load_rules(settings.alerts)
            if _installed is not None and _installed._settings not in {None, settings}:  # noqa: SLF001 - our own kind
                raise ConfigurationError(_differs(_installed, self.app, settings))
        except ConfigurationError as error:
            self.error = error
            self._said = not logger.hasHandlers()  # then logging itself writes it to stderr
            logger.error("celery-monitor: %s", error)  # noqa: TRY400 - the message says it all
            raise
        self._settings = settings
        if settings.enabled and _installed is None:
            _installed = self
            self._prepare(settings)
            handlers.connect()
            traffic.use(settings.resources)  # after ours: it looks at the attempt that they open
        elif _installed is None:
            handlers.disconnect()

    def _prepare(self, settings: Settings) -> None:
        """Tell the signal handlers where to write; nothing is opened yet."""
        place = process.place
        place.folder, problem = folder.find(settings.runtime_dir, settings.namespace, settings.url)
        place.size = settings.ring_bytes
        place.start_agent = self._start_agent
        if problem:
            process.me.notes.append(f"records lie in memory that dies with the worker: {problem}")
        attempts.queue_of = _QueueNames(self.app)
        _take_content(settings)
        if _speaks_amqp(self.app):
            timestamps.connect()
        process.after_fork.append(self._forget)
        atexit.register(self._at_exit)

    # -- the agent ---------------------------------------------------------------------------------------------------

    def appear(self, role: str) -> None:
        """Show this process among the app's as what it is: ``flower`` or ``serve``; it samples itself as others do."""
        if self.settings.enabled and process.me.role == "producer":
            process.me.role = role
            process.need_agent()

    def _start_agent(self) -> None:
        self._new_agent(process.me.role, f"{process.me.role}@{socket.gethostname()}").start()

    def _new_agent(self, role: str, hostname: str, worker: Any = None) -> Agent:
        settings, store = self.settings, self.store()
        ticker = self.ticker(role, store) if role in {"worker", "beat"} else None
        process.me.agent = True
        plan = Plan(
            role=role, hostname=hostname, app=self.app.main or "celery", owner=_owner(self.app),
            folder=process.place.folder, flush_interval=settings.flush_interval,
            resource_interval=settings.resource_interval, buffer_bytes=settings.buffer_bytes,
            build=settings.build or "",
            namespace_is_default=settings.namespace_is_default, worker=worker,
            tick=ticker.due if ticker else None, leave=ticker.close if ticker else None,
        )  # fmt: skip
        self._agent = Agent(plan, store)
        return self._agent

    def _forget(self) -> None:
        agent, self._agent, self._tickers, self._reader = self._agent, None, {}, None
        self._lock = threading.Lock()
        if agent is not None:
            agent.abandon()

    def _at_exit(self) -> None:
        """Ship what a process has recorded before it ends; where threads do not run, this is the first flush."""
        if self._agent is None and process.me.writer is not None and process.me.role != "child":
            self._new_agent(process.me.role, f"{process.me.role}@{socket.gethostname()}")
        if self._agent is not None:
            agent, self._agent = self._agent, None
            agent.store = self.store(timeout_s=_PRODUCER_EXIT_S / 2)
            agent.stop(_PRODUCER_EXIT_S)

    # -- Celery's processes ------------------------------------------------------------------------------------------

    def _on_worker_init(self, sender: Any, **_: Any) -> None:
        if sender.app is not self.app or not self._may_start():
            return
        pool = getattr(sender.pool_cls, "__module__", "") or ""
        kind = f"{pool}.{sender.pool_cls}".lower()
        gevent = "gevent" in kind or "eventlet" in kind
        place = process.place
        place.shared_cpu, place.shared_memory = gevent, gevent or "thread" in kind
        with contextlib.suppress(TypeError, ValueError):
            place.slots = (
                min(int(sender.concurrency or 1), 1024) + _SPARE_SLOTS if place.shared_memory else _SPARE_SLOTS
            )
        process.me.role = "worker"
        results.listen(self.app)
        if self.settings.capture_received:
            received.connect()
        self._new_agent("worker", sender.hostname, sender).start()

    def _on_worker_shutdown(self, sender: Any, **_: Any) -> None:
        if sender.app is self.app and self._agent is not None:
            agent, self._agent = self._agent, None
            agent.stop(_WORKER_EXIT_S)

    def _on_beat_init(self, sender: Any, **_: Any) -> None:
        from celery_monitor import schedule
        from celery_monitor.agent.beat import BeatWatch

        if sender.app is not self.app or not self._may_start() or process.me.role == "beat":
            return
        process.me.role = "beat"
        hostname = f"beat@{socket.gethostname()}"
        agent = self._new_agent("beat", hostname)
        watch = BeatWatch(sender, process.me.instance.hex(), hostname)
        agent.plan.tick = watch.before(agent.plan.tick, agent.store)
        schedule.add_entry(sender, self.settings.tick_interval, lambda: agent.pace, self._queue_for_tick)
        agent.start()

    def _on_beat_embedded_init(self, sender: Any, **_: Any) -> None:
        """Say goodbye also for a beat inside a worker: a process of billiard ends without `atexit`."""
        self._on_beat_init(sender)
        if sender.app is self.app and self._agent is not None:
            Finalize(None, self._at_exit, exitpriority=0)

    def _may_start(self) -> bool:
        """Check the settings; a worker or beat with wrong ones ends here, with the message."""
        try:
            enabled = self.settings.enabled
        except ConfigurationError as error:
            if not self._said:
                sys.stderr.write(f"celery-monitor: {error}\n")
            raise SystemExit(2) from error
        return enabled

    # -- the tick ----------------------------------------------------------------------------------------------------

    def _register_tick(self) -> None:
        def tick() -> None:
            if self.settings.enabled:
                ticker = self.ticker("task")
                try:
                    ticker.tick()
                finally:
                    ticker.close()  # any child of the pool may be the next

        self.app.task(
            tick, name="celery_monitor.tick", ignore_result=True, acks_late=False, rate_limit=None, time_limit=120,
            soft_time_limit=60, max_retries=0, serializer="json", track_started=False, shared=False,
        )  # fmt: skip

    def _queue_for_tick(self, pace: Any) -> str | None:
        """Pick the queue that live workers consume and beat may send to; the default queue first."""
        default = self.app.conf.task_default_queue
        known = self.app.amqp.queues
        create = self.app.conf.task_create_missing_queues
        consumed = [name for name in pace["queues"] if create or name in known]
        return default if default in consumed else consumed[0] if consumed else None

    def ticker(self, role: str, store: Store | None = None) -> Ticker:
        """Return this process's ticker in a role; a worker without children has two, the task's and its agent's.

        Parameters:
            store: of an agent, in whose thread it will tick: one connection does for both.
        """
        from celery_monitor.periodic import Ticker

        with self._lock:
            if role not in self._tickers:
                self._tickers[role] = Ticker(
                    self.app, self.settings, store or self.store(), role, process.me.instance.hex()
                )
            return self._tickers[role]

    # -- reading -----------------------------------------------------------------------------------------------------

    def store(self, timeout_s: float = 1.0) -> Store:
        """Return a store of one's own, which connects when it is used."""
        settings = self.settings
        return Store.open(
            settings.url, settings.namespace, shards=settings.shards, timeout_s=timeout_s,
            executions_bytes=settings.executions_bytes, log_bytes=settings.log_bytes,
            rollup_bytes=settings.rollup_bytes, rollup_days=settings.rollup_days,
            identity_labels=settings.identity_labels,
        )  # fmt: skip

    def reader(self) -> Reader:
        """Return this process's reader, which every face calls; safe for threads."""
        from celery_monitor.query.reader import Reader

        with self._lock:
            if self._reader is None:
                self._reader = Reader(self.store())
            return self._reader


def _take_content(settings: Settings) -> None:
    """Tell the signals which content may leave the process, and connect those that only some need."""
    redact.use(**(settings.redact or {}))
    content.use(
        arguments=settings.capture_arguments, results=settings.capture_results,
        span_data=settings.capture_span_data == "repr", **(settings.exclude or {}),
    )  # fmt: skip
    labels.use(settings.label_keys, settings.anonymise_labels, settings.anonymise_key or "")
    labels.rules.redact = content.label
    calls.connect()
    logs.use(_level(settings.log_level), _level(settings.log_buffer_level))
    logs.connect()


def _level(name: str) -> int:
    return logs.OFF if name == "OFF" else int(getattr(logging, name))


def _speaks_amqp(app: Any) -> bool:
    """Tell whether messages go to RabbitMQ or its like."""
    urls = app.conf.broker_write_url or app.conf.broker_url or ""
    first = urls if isinstance(urls, str) else next(iter(urls), "")
    return str(first).split("://", 1)[0].removeprefix("py") in {"amqp", "amqps"}


class _QueueNames:
    """Finds the queue behind an exchange and routing key: messages do not carry its name."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._known: dict[tuple[str, str], str] = {}

    def __call__(self, exchange: Any, routing_key: str) -> str:
        name = exchange if isinstance(exchange, str) else getattr(exchange, "name", "") or ""
        if not name:
            return routing_key
        key = (name, routing_key)
        found = self._known.get(key)
        if found is None:
            if len(self._known) > 1000:
                self._known.clear()
            found = self._known[key] = self._look_up(name, routing_key)
        return found

    def _look_up(self, exchange: str, routing_key: str) -> str:
        for name, queue in list(self._app.amqp.queues.items()):
            if queue.exchange is not None and queue.exchange.name == exchange and queue.routing_key == routing_key:
                return str(name)
        return routing_key or exchange


def _owner(app: Any) -> str:
    """Return what tells one fleet from another in a shared store: the app's name and broker, without credentials."""
    try:
        url = urlsplit(str(app.conf.broker_url or app.conf.broker_read_url or ""))
        where = f"{(url.hostname or '').replace('localhost', '127.0.0.1')}:{url.port or ''}{url.path}"
    except ValueError:
        where = "unknown"
    return f"{app.main or 'celery'} on {where}"


def _differs(first: Monitor, app: Any, settings: Settings) -> str:
    """Say which settings a second Monitor of the process has otherwise."""
    other = first.settings
    names = [f for f in Settings.__slots__ if getattr(other, f) != getattr(settings, f)]
    return (
        f"app {app.main!r}: a process has one Monitor, namespace and store, and app {first.app.main!r} set it up with "
        f"other values of {', '.join('monitor_' + name for name in names)}; give both apps the same, or set "
        f"monitor_enabled = False in one"
    )
