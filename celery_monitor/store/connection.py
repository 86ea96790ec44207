"""The connection to the store: opened late, closed when idle, and every error said in our words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit
from zlib import crc32

import redis
from redis import cluster as redis_cluster
from redis import exceptions as rx
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel

from celery_monitor.errors import ConfigurationError, StoreRefused, StoreUnreachable
from celery_monitor.store import foreign
from celery_monitor.store.keys import Keys

FORMS: Final = "redis://, rediss://, unix://, redis+socket://, sentinel://, redis+cluster:// or rediss+cluster://"
_SCHEMES: Final = frozenset(form.removesuffix("://") for form in FORMS.replace(" or", ",").split(", "))
_CLUSTER: Final = frozenset({"redis+cluster", "rediss+cluster"})
_PLAIN: Final[dict[str, Any]] = {
    "protocol": 2,
    **({"driver_info": None} if find_spec("redis.driver_info") else {"lib_name": None, "lib_version": None}),
}
"""Nothing is said after the connect but our name: idle agents connect for every heartbeat."""


class Store:
    """One namespace in one Redis; nothing is connected before `client` is used.

    In a Redis Cluster the data lie in several shards, each under a hash tag of its own. A shard is a store, too: what
    is done with the whole is done with each of `shards`. What there is once, like the lease, lies in the first.

    Attributes:
        namespace, keys: whose data, and the keys they lie under; those of the first shard where there are several.
        shards: the shards, this store alone where there is one.
        parts: into how many shards the bytes below are divided: 1 for the whole.
        where: the URL without its password, for messages.
        executions_bytes: most bytes of stored executions; less when the server has little memory.
        log_bytes: the same of log records and attempts that failed.
        rollup_bytes: the same of everything else.
        rollup_days: rollups older than this are not kept.
        identity_labels: keys of labels whose values runs are found by.
        dropped: what `inbox.send` left out to spare the server, and how often, since this object was made.
        room: when (monotonic, s) `inbox.send` last asked for the server's memory, and the answer.
        agents: how many agents share the store, as `inbox.send` last heard.
    """

    def __init__(
        self,
        url: str,
        namespace: str,
        *,
        shards: int = 1,
        timeout_s: float = 1.0,
        executions_bytes: int,
        log_bytes: int,
        rollup_bytes: int,
        rollup_days: int,
        identity_labels: frozenset[str],
    ) -> None:
        self.namespace = namespace
        self.keys = Keys(namespace)
        self.parts = 1
        self.where = without_password(url)
        self.executions_bytes = executions_bytes
        self.log_bytes = log_bytes
        self.rollup_bytes = rollup_bytes
        self.rollup_days = rollup_days
        self.identity_labels = identity_labels
        self.dropped: Counter[str] = Counter()
        self.room: tuple[float, Any] | None = None
        self.agents = 1
        self._link = _Link(url, timeout_s)
        self.shards = (self,) if shards == 1 else tuple(self._shard(number, shards) for number in range(shards))

    @classmethod
    def open(
        cls,
        settings_url: str,
        namespace: str,
        *,
        shards: int = 1,
        timeout_s: float = 1.0,
        executions_bytes: int = 256 * 1024 * 1024,
        log_bytes: int = 64 * 1024 * 1024,
        rollup_bytes: int = 128 * 1024 * 1024,
        rollup_days: int = 30,
        identity_labels: Iterable[str] = ("session", "user", "correlation"),
    ) -> Store:
        """Return a store; does not connect.

        Parameters:
            settings_url: one of `FORMS`; several nodes of a Cluster, or sentinels, with ``;`` between them.
            shards: hash tags that the data are spread over; all processes give the same number.
            timeout_s: seconds to wait for a connection and for each answer.

        Raises:
            ConfigurationError: a URL of another form, or several shards in what is no Cluster.
        """
        scheme = urlsplit(settings_url).scheme
        if scheme not in _SCHEMES:
            raise ConfigurationError(f"monitor_url: {without_password(settings_url)!r} is no Redis; give {FORMS}")
        if shards != 1 and scheme not in _CLUSTER:
            raise ConfigurationError(
                f"monitor_shards: {shards!r} needs a Redis Cluster (monitor_url redis+cluster://host:port); give 1"
            )
        return cls(
            settings_url,
            namespace,
            shards=shards,
            timeout_s=timeout_s,
            executions_bytes=executions_bytes,
            log_bytes=log_bytes,
            rollup_bytes=rollup_bytes,
            rollup_days=rollup_days,
            identity_labels=frozenset(identity_labels),
        )

    @property
    def client(self) -> Any:
        """The redis client, bytes in and out; it never retries by itself: that would write twice.

        Raises:
            StoreUnreachable: no node of a Cluster answers; other servers are connected by the first command.
        """
        if self._link.client is None:
            with self.translated():
                self._link.client = connect(self._link.url, self._link.timeout_s)
        return self._link.client

    def shard_of(self, run: bytes) -> Store:
        """Return the shard that holds the rows of a run (16 bytes)."""
        return self.shards[crc32(run) % len(self.shards)]

    def home_of(self, host: str) -> Store:
        """Return the shard that holds the counters of a host and the live states of its agents."""
        return self.shard_of(host.encode("utf-8", "surrogatepass"))

    def info(self, section: str) -> dict[str, Any]:
        """Return a section of INFO of the server that holds this store's keys."""
        found: dict[str, Any] = self.client.info(section, **self._node())
        return found

    def time(self) -> tuple[int, int]:
        """Return the clock (s, us) of the server that holds this store's keys."""
        seconds, micros = self.client.time(**self._node())
        return int(seconds), int(micros)

    def servers(self) -> list[Any]:
        """Return a client of each server that may hold keys: one, or a Cluster's primaries."""
        if not isinstance(self.client, RedisCluster):
            return [self.client]
        primaries: list[Any] = self.client.get_primaries()  # type: ignore[no-untyped-call]
        return [self.client.get_redis_connection(node) for node in primaries]

    def _node(self) -> dict[str, Any]:
        if not isinstance(self.client, RedisCluster):
            return {}
        node: Any = self.client.get_node_from_key(self.keys.meta)  # type: ignore[no-untyped-call]
        return {"target_nodes": node}

    def _shard(self, number: int, of: int) -> Store:
        shard = copy(self)
        shard.keys, shard.shards, shard.parts = Keys(self.namespace, number), (shard,), of
        shard.executions_bytes //= of
        shard.log_bytes //= of
        shard.rollup_bytes //= of
        return shard

    def translated(self) -> AbstractContextManager[None]:
        """Return `translated` naming this store, and the key that has a wrong type."""
        return translated(self.where, self._foreign)

    def _foreign(self, answer: str) -> str | None:
        return foreign.named(answer, lambda: self.client, tuple(shard.keys for shard in self.shards))

    def close(self) -> None:
        """Close the connections; the next use of `client` opens new ones."""
        client, self._link.client = self._link.client, None
        if client is not None:
            client.close()


@dataclass(slots=True)
class _Link:
    """The connection that the shards of a store share."""

    url: str
    timeout_s: float
    client: Any = None


@contextmanager
def translated(where: str = "the store", why: Callable[[str], str | None] = lambda _: None) -> Iterator[None]:
    """Turn redis errors into `errors.Store*`, in one line that names the place.

    Parameters:
        where: the place.
        why: returns what is known of an answer that says no, None for nothing.

    Raises:
        StoreRefused: wrong password, not a Redis, out of memory, read-only, command forbidden.
        StoreUnreachable: no connection, no answer in time, still loading.
    """
    try:
        yield
    except (rx.AuthenticationError, rx.AuthorizationError, rx.NoPermissionError) as e:
        raise StoreRefused(f"{where} refuses our credentials: {_first_line(e)}") from e
    except rx.InvalidResponse as e:
        raise StoreRefused(f"{where} does not answer like a Redis: {_first_line(e)}; give the URL of a Redis") from e
    except rx.ReadOnlyError as e:
        raise StoreRefused(f"{where} is read-only (a replica?): {_first_line(e)}") from e
    except (rx.ConnectionError, rx.TimeoutError, rx.RedisClusterException, OSError) as e:
        raise StoreUnreachable(f"{where} cannot be reached: {_first_line(e)}") from e
    except rx.RedisError as e:
        raise StoreRefused(f"{where} refuses: {why(str(e)) or _first_line(e)}") from e


def without_password(url: str) -> str:
    """Return a URL fit for a log.

    >>> without_password("redis://user:secret@host:6379/0")
    'redis://user:***@host:6379/0'
    """
    kept = []
    for piece in url.split(";"):
        head, at, tail = piece.rpartition("@")
        scheme, sep, login = head.rpartition("://")
        user = login.partition(":")[0]
        kept.append(f"{scheme}{sep}{user}:***@{tail}" if at else piece)
    clean = ";".join(kept)
    head, mark, query = clean.partition("?")
    hidden = [(k, "***" if "password" in k else v) for k, v in parse_qsl(query)]
    return head + mark + urlencode(hidden, safe="*/") if mark else head


def connect(url: str, timeout_s: float) -> Any:
    """Return a redis client of our own for a URL, without retries and with short timeouts."""
    options: dict[str, Any] = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),
        "client_name": "celery-monitor",
        **_PLAIN,
    }
    parts = urlsplit(url)
    if parts.scheme == "sentinel":
        return _sentinel(url, options)
    if parts.scheme in _CLUSTER:
        return _cluster(url, options)
    query = dict(parse_qsl(parts.query))
    scheme = parts.scheme
    if scheme in {"redis+socket", "unix"}:  # kombu says virtual_host where redis-py says db
        scheme = "unix"
        if "virtual_host" in query:
            query["db"] = query.pop("virtual_host").strip("/") or "0"
    _in_redis_words(query)
    asked = "?" + urlencode(query) if query else ""
    try:
        return redis.Redis.from_url(f"{scheme}://{parts.netloc}{parts.path}{asked}", **options)
    except (ValueError, TypeError) as e:
        raise _unfit(url, e) from e


def _cluster(url: str, options: dict[str, Any]) -> Any:
    """Return a client of a Cluster: ``redis+cluster://user:password@h:7000;h2:7000``; connects at once."""
    if not hasattr(redis_cluster, "TransactionStrategy"):
        raise ConfigurationError(f"monitor_url: a Redis Cluster needs redis-py 6.1 or newer, not {redis.__version__}")
    nodes: list[ClusterNode] = []
    query: dict[str, str] = {}
    given: dict[str, Any] = {}
    for piece in url.split(";"):
        part = urlsplit(piece if "://" in piece else "redis+cluster://" + piece)
        nodes.append(ClusterNode(part.hostname or "localhost", part.port or 6379))  # type: ignore[no-untyped-call]
        query.update(parse_qsl(part.query))
        if part.password:
            given["password"] = unquote(part.password)
        if part.username:
            given["username"] = unquote(part.username)
    _in_redis_words(query)
    if urlsplit(url).scheme == "rediss+cluster":
        given["ssl"] = True
    try:
        return RedisCluster(startup_nodes=nodes, **options, **given, **dict[str, Any](query))
    except (TypeError, ValueError) as e:
        raise _unfit(url, e) from e


def _in_redis_words(query: dict[str, str]) -> None:
    if "ssl_cert_reqs" in query:  # Celery says CERT_REQUIRED where redis-py says required
        query["ssl_cert_reqs"] = query["ssl_cert_reqs"].removeprefix("CERT_").lower()


def _sentinel(url: str, options: dict[str, Any]) -> Any:
    """Return a client of the primary that sentinels name: ``sentinel://h:26379;sentinel://h2/0?master_name=m``."""
    hosts: list[tuple[str, int]] = []
    query: dict[str, str] = {}
    password = user = None
    db = 0
    for piece in url.split(";"):
        part = urlsplit(piece if "://" in piece else "sentinel://" + piece)
        hosts.append((part.hostname or "localhost", part.port or 26379))
        query.update(parse_qsl(part.query))
        db = int(part.path.strip("/") or db)
        password = unquote(part.password) if part.password else password
        user = unquote(part.username) if part.username else user
    asking = {k: v for k, v in options.items() if k != "client_name"}
    sentinels = Sentinel(hosts, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
    name = query.get("master_name", "mymaster")
    return sentinels.master_for(  # type: ignore[no-untyped-call]
        name, db=db, username=user, password=password, **options
    )


def _unfit(url: str, error: Exception) -> ConfigurationError:
    """Say why a URL is of no use; not in Python's words about a port, which may be a piece of the password."""
    why = "a port is no number" if str(error).startswith("Port ") else _first_line(error)
    return ConfigurationError(f"monitor_url: {without_password(url)!r}: {why}; give {FORMS}")


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200].rstrip(".")
