"""Attempts that a broker gives out more than once, and results that cannot be stored."""

from __future__ import annotations

import redis

from celery_monitor.cli.embedded import EmbeddedServer
from tests.truth.conftest import Scene
from tests.truth.script import SUCCESS, ends

OK = "SUCCESS ok"


def test_a_message_given_out_again_while_it_runs_has_an_attempt_each(
    scene: Scene, redis_server: EmbeddedServer
) -> None:
    scene.redeliver_after(3600)
    scene.work(concurrency=2)
    ids = scene.send("late_nap", 3, right=((OK,), (OK, OK)))
    scene.begun(ids[0])
    drop_connections(redis_server)
    scene.settle()


def test_a_lost_connection_that_cancels_what_runs_makes_it_lost_and_repeats_it(
    scene: Scene, redis_server: EmbeddedServer
) -> None:
    scene.settings["worker_cancel_long_running_tasks_on_connection_loss"] = True
    scene.work(concurrency=2)
    ids = scene.send("late_once", 60, right=ends("LOST shutdown", OK))
    scene.begun(ids[0])
    drop_connections(redis_server)
    scene.settle()


def test_a_task_longer_than_the_visibility_timeout_has_an_attempt_for_each_delivery(scene: Scene) -> None:
    scene.redeliver_after(1)
    scene.work(concurrency=4)
    scene.send("late_nap", 4, right=tuple((OK,) * n for n in range(1, 8)))
    scene.settle()


def test_a_repeated_message_that_the_worker_drops_makes_no_attempt(scene: Scene) -> None:
    scene.redeliver_after(1)
    scene.settings["worker_deduplicate_successful_tasks"] = True
    scene.work(concurrency=1)
    scene.send("late_nap", 4, right=SUCCESS)
    scene.settle()


def test_a_result_that_cannot_be_stored_is_said_so(scene: Scene) -> None:
    scene.worker_env["CELERY_RESULT_BACKEND"] = "redis+socket:///nowhere/r.sock"
    scene.settings["result_backend_transport_options"] = {"retry_policy": {"max_retries": 0, "timeout": 1.0}}
    scene.work(concurrency=1)
    scene.send("nap", 0, right=ends("STORE_FAILED backend"))
    scene.settle()


def drop_connections(server: EmbeddedServer) -> None:
    """Have the server close every connection but the one that asks for it."""
    with redis.Redis.from_url(server.client_url) as client:
        client.execute_command("CLIENT", "KILL", "SKIPME", "yes")
