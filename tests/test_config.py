"""Settings: where they come from, what is refused, and with which words."""

from __future__ import annotations

import dataclasses
import ssl
import types
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from celery_monitor import config
from celery_monitor.alerts import rules
from celery_monitor.config import load_settings
from celery_monitor.errors import ConfigurationError
from celery_monitor.settings import TABLE, Settings, markdown_table

ROOT = Path(__file__).parents[1]
REDIS = "redis://:secret@cache:6379/1"


@pytest.fixture(autouse=True)
def no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the settings of whoever runs the tests out of the environment."""
    for name in (*TABLE, "no_frontend"):
        monkeypatch.delenv(config.ENVIRONMENT + name.upper(), raising=False)
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "CELERY_BROKER_READ_URL"):
        monkeypatch.delenv(name, raising=False)


def app(main: str | None = "shop", broker: Any = REDIS, **conf: Any) -> Celery:
    made = Celery(main, broker=broker, set_as_current=False)
    made.conf.update(conf)
    return made


def refused(made: Celery) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(made)
    return str(caught.value)


def test_an_app_on_redis_needs_no_setting_at_all() -> None:
    settings = load_settings(app())

    assert (settings.url, settings.namespace, settings.namespace_is_default) == (REDIS, "shop", True)
    assert (settings.enabled, settings.ring_bytes, settings.flush_interval) == (True, 262_144, None)


def test_settings_given_on_the_app_are_taken() -> None:
    settings = load_settings(app(monitor_url="unix:///run/r.sock", monitor_namespace="eu", monitor_tick_interval=2))

    assert (settings.url, settings.namespace, settings.tick_interval) == ("unix:///run/r.sock", "eu", 2.0)
    assert not settings.namespace_is_default
    assert type(settings.tick_interval) is float


def test_djangos_namespace_is_understood_and_other_peoples_settings_are_left_alone() -> None:
    django = types.ModuleType("settings")
    django.CELERY_BROKER_URL = "redis://broker"
    django.CELERY_MONITOR_ROLLUP_DAYS = 7
    django.MONITOR_EMAILS = ["ops@example.org"]
    made = Celery("site", set_as_current=False)
    made.config_from_object(django, namespace="CELERY")

    settings = load_settings(made)

    assert (settings.url, settings.rollup_days) == ("redis://broker", 7)


def test_an_unknown_setting_under_a_namespace_is_found() -> None:
    django = types.ModuleType("settings")
    django.CELERY_BROKER_URL = "redis://broker"
    django.CELERY_MONITOR_ROLLUP_DAY = 7
    made = Celery("site", set_as_current=False)
    made.config_from_object(django, namespace="CELERY")

    message = refused(made)

    assert "CELERY_MONITOR_ROLLUP_DAY" in message
    assert "did you mean 'CELERY_MONITOR_ROLLUP_DAYS'?" in message


def test_the_environment_wins_over_the_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_MONITOR_RING_BYTES", "131072")
    monkeypatch.setenv("CELERY_MONITOR_ENABLED", "off")
    monkeypatch.setenv("CELERY_MONITOR_ALERTS", '{"backlog": {"threshold": 5}}')

    settings = load_settings(app(monitor_ring_bytes=65536, monitor_enabled=True))

    assert (settings.ring_bytes, settings.enabled) == (131_072, False)
    assert settings.alerts == {"backlog": {"threshold": 5}}


def test_what_kubernetes_and_the_build_put_into_the_environment_is_no_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in (
        "SERVICE_HOST",
        "SERVICE_PORT",
        "SERVICE_PORT_HTTP",
        "PORT",
        "PORT_5555_TCP_ADDR",
        "STATUS_WINDOW",
        "NO_FRONTEND",
    ):
        monkeypatch.setenv(config.ENVIRONMENT + name, "tcp://10.0.0.1:5555")

    assert load_settings(app()).url == REDIS


def test_an_unknown_environment_variable_is_named_with_the_nearest_known() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CELERY_MONITOR_TICK_INTERVALL", "3")
        message = refused(app())

    assert "environment variable CELERY_MONITOR_TICK_INTERVALL" in message
    assert "did you mean 'CELERY_MONITOR_TICK_INTERVAL'?" in message


@pytest.mark.parametrize(
    ("setting", "value", "accepted"),
    [
        ("monitor_ring_bytes", "many", "a whole number from 65536 to 16777216"),
        ("monitor_ring_bytes", 1024, "a whole number from 65536 to 16777216"),
        ("monitor_ring_bytes", True, "a whole number"),
        ("monitor_tick_interval", float("nan"), "a number from 1 to 60"),
        ("monitor_flush_interval", 0, "a number from 0.1 to 60 or None"),
        ("monitor_enabled", "maybe", "True or False (1/0, true/false"),
        ("monitor_namespace", "with {braces}", "letters, digits"),
        ("monitor_namespace", "", "1 to 64"),
        ("monitor_url", "amqp://guest@rabbit", "redis://"),
        ("monitor_url", "localhost", "redis://"),
        ("monitor_url", "redis://localhost:sixty/0", "redis://:password@host:6379/0"),
        ("monitor_url", "redis://localhost:6379/shop", "redis://:password@host:6379/0"),
        ("monitor_url", "sentinel://a:26379;sentinel://b:x/0", "redis://:password@host:6379/0"),
        ("monitor_runtime_dir", "shm", "an absolute path"),
        ("monitor_rabbitmq_api", "localhost:15672", "http://user:password@host:15672"),
        ("monitor_alerts", ["backlog"], "a dict of rule names"),
        ("monitor_label_keys", "tenant", "a list of keys like ['tenant']"),
        ("monitor_label_keys", ["ten ant"], "1 to 40 letters"),
        ("monitor_identity_labels", [7], "a list of keys"),
    ],
)
def test_a_value_of_another_form_is_refused_naming_setting_value_and_form(
    setting: str, value: Any, accepted: str
) -> None:
    message = refused(app(**{setting: value}))

    assert message.startswith(f"{setting}: {value!r} is not accepted")
    assert accepted in message


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://localhost:6379//",
        "rediss://:a;b@cache:6380/3?ssl_cert_reqs=required",
        "redis+socket:///run/redis.sock?virtual_host=0",
        "unix:///run/redis.sock?db=0",
        "sentinel://a:26379;b:26380/0?master_name=mymaster",
        "redis+cluster://user:password@a:7000;b:7000",
    ],
)
def test_every_form_of_a_redis_url_is_taken(url: str) -> None:
    assert load_settings(app(monitor_url=url)).url == url


@pytest.mark.parametrize("password", ["se/cret", "se#cret", "se?cret", "se@cret", "se:c/ret", "se;c/ret"])
def test_a_password_that_should_have_been_quoted_is_in_no_message(password: str) -> None:
    message = refused(app(monitor_url=f"redis://:{password}@cache:x/0"))

    assert "ret" not in message.partition(" is not accepted")[0]
    assert "'redis://:***@cache:x/0'" in message
    assert "%2F" in message


@pytest.mark.parametrize(
    ("broker", "backend", "url"),
    [
        ("amqp://rabbit//", "redis://results/2", "redis://results/2"),
        (["amqp://rabbit//", "rediss://cache"], None, "rediss://cache"),
        ("redis://a;redis://b", None, "redis://a"),
        ("redis+socket:///tmp/r.sock?virtual_host=1", None, "redis+socket:///tmp/r.sock?virtual_host=1"),
    ],
)
def test_the_store_is_the_broker_when_it_is_redis_else_the_result_backend(
    broker: Any, backend: str | None, url: str
) -> None:
    assert load_settings(app(broker=broker, result_backend=backend)).url == url


def test_sentinels_keep_their_list_and_the_masters_name() -> None:
    made = app(broker="sentinel://a:26379;sentinel://b:26379/3", broker_transport_options={"master_name": "orders"})

    assert load_settings(made).url == "sentinel://a:26379;sentinel://b:26379/3?master_name=orders"


def test_tls_that_celery_keeps_beside_the_url_is_kept() -> None:
    options = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_ca_certs": "/etc/ca.pem"}
    made = app(broker="redis://:secret@cache:6379/1", broker_use_ssl=options)

    assert load_settings(made).url == (
        "rediss://:secret@cache:6379/1?ssl_cert_reqs=required&ssl_ca_certs=%2Fetc%2Fca.pem"
    )


def test_without_any_redis_the_error_says_what_to_set_and_hides_the_password() -> None:
    message = refused(app(broker="amqp://user:secret@rabbit//"))

    assert "monitor_url" in message
    assert "CELERY_MONITOR_URL" in message
    assert "secret" not in message


def test_a_monitor_that_is_switched_off_needs_no_redis() -> None:
    assert not load_settings(app(broker="memory://", monitor_enabled=False)).enabled


@pytest.mark.parametrize(("main", "namespace"), [(None, "celery"), ("__main__", "celery"), ("my app", "my_app")])
def test_the_default_namespace_is_the_apps_name_in_accepted_letters(main: str | None, namespace: str) -> None:
    assert load_settings(app(main)).namespace == namespace


def test_passwords_appear_in_no_message_and_no_repr() -> None:
    assert "secret" not in refused(app(monitor_url="http://user:secret@host"))
    assert "secret" not in repr(load_settings(app()))
    assert config.masked("redis://h?password=secret&db=1") == "'redis://h?password=***&db=1'"


def test_settings_that_are_equal_compare_equal() -> None:
    assert load_settings(app()) == load_settings(app())
    assert load_settings(app()) != load_settings(app(monitor_rollup_days=3))


def test_every_setting_a_user_can_give_is_in_the_table_with_a_purpose() -> None:
    derived = {"namespace_is_default"}

    assert {f.name for f in dataclasses.fields(Settings)} - derived == set(TABLE)
    assert all(bounds.help.endswith(".") for bounds in TABLE.values())


def test_the_page_of_settings_holds_the_table_the_code_checks_by() -> None:
    page = (ROOT / "docs" / "settings.md").read_text("utf-8")

    assert markdown_table() in page
    assert rules.markdown_table() in page


def test_lists_of_label_keys_are_taken_from_code_json_and_commas() -> None:
    assert load_settings(app()).identity_labels == ("session", "user", "correlation")
    assert load_settings(app(monitor_label_keys=["tenant", "size"])).label_keys == ("tenant", "size")
    assert hash(load_settings(app(monitor_label_keys={"tenant"})))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CELERY_MONITOR_LABEL_KEYS", "tenant,size")
        patch.setenv("CELERY_MONITOR_IDENTITY_LABELS", '["account"]')
        settings = load_settings(app())
    assert (settings.label_keys, settings.identity_labels) == (("tenant", "size"), ("account",))


def test_labels_cannot_be_anonymised_without_a_key_and_no_message_shows_one() -> None:
    message = refused(app(monitor_anonymise_labels=["user"]))
    assert "monitor_anonymise_key is not set" in message
    assert "CELERY_MONITOR_ANONYMISE_KEY" in message
    message = refused(app(monitor_anonymise_labels=["user"], monitor_anonymise_key="too-short"))
    assert "at least 16 characters" in message
    assert "too-short" not in message
    settings = load_settings(app(monitor_anonymise_labels=["user"], monitor_anonymise_key="0123456789abcdef"))
    assert "0123456789abcdef" not in repr(settings)
