"""Settings: a table of names, types, defaults, bounds and purposes; `load_settings` reads and checks them."""

from __future__ import annotations

import difflib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode, urlsplit

from celery_monitor.errors import ConfigurationError

SCHEMES: Final = ("redis", "rediss", "redis+socket", "unix", "sentinel", "redis+cluster", "rediss+cluster")
"""URL schemes of `monitor_url`."""

ENVIRONMENT: Final = "CELERY_MONITOR_"
_KIB: Final = 1024
_MIB: Final = 1024 * 1024

# Not settings: the build's switch, what Kubernetes tells every pod of a service named celery-monitor, and the
# variables in which Celery's command line takes the options of `celery monitor status` and `serve`.
_FOREIGN: Final = re.compile(r"NO_FRONTEND|SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_.*)?|(STATUS|SERVE)_.*")
_BOOLEANS: Final = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("0", "false", "no", "off"), False)
_NAMESPACE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")

_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "OFF")
_WORDS: Final = {"log_level": _LEVELS, "log_buffer_level": _LEVELS, "capture_span_data": ("none", "repr")}
"""Settings that are one of a few words."""
_LISTS: Final = {"redact": ("keys", "patterns"), "exclude": ("tasks", "labels", "loggers")}
"""Settings that are lists of texts under these names."""
_LABEL: Final = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_LEAST_KEY: Final = 16
_LONGEST_BUILD: Final = 80
RESOURCES: Final = ("network", "io")
"""What `monitor_resources` may list."""


class Bounds(NamedTuple):
    """What a setting accepts: type, least and most of a number; and what it is for, in one sentence."""

    kind: type
    help: str
    least: float = -math.inf
    most: float = math.inf
    optional: bool = False
    default_text: str = ""  # how the default reads when it is worked out at start


def _setting(kind: type, text: str, default: Any = MISSING, *, secret: bool = False, **bounds: Any) -> Any:
    # A dict has no hash; two settings that differ in it only may share one.
    hashed = None if kind is not dict else False
    return field(default=default, repr=not secret, hash=hashed, metadata={"bounds": Bounds(kind, text, **bounds)})


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, checked; field `x` is setting `monitor_x` and environment variable `CELERY_MONITOR_X`."""

    url: str = _setting(
        str,
        "Redis or Valkey that stores everything: redis, rediss, redis+socket, unix or sentinel URL.",
        default_text="the broker when it is Redis, else the result backend",
        secret=True,
    )
    namespace: str = _setting(
        str,
        "Name of this fleet in the store; letters, digits and `_ . -`, at most 64.",
        default_text="the app's name, else `celery`",
    )
    namespace_is_default: bool = False
    enabled: bool = _setting(bool, "False: connect nothing, record nothing.", default=True)
    runtime_dir: str | None = _setting(
        str,
        "Absolute path of a tmpfs for the processes' rings.",
        None,
        optional=True,
        default_text="/dev/shm, else /run",  # noqa: S108 - words for people
    )
    ring_bytes: int = _setting(int, "Size of a process's ring, in bytes.", 256 * _KIB, least=64 * _KIB, most=16 * _MIB)
    flush_interval: float | None = _setting(
        float,
        "Seconds between an agent's flushes.",
        None,
        least=0.1,
        most=60,
        optional=True,
        default_text="1 to 10 s by the number of agents",
    )
    tick_interval: float = _setting(float, "Seconds between folds and alert checks.", 5.0, least=1, most=60)
    buffer_bytes: int = _setting(
        int,
        "Most that an agent keeps in memory while the store is away, in bytes.",
        64 * _MIB,
        least=_MIB,
        most=1024 * _MIB,
    )
    executions_bytes: int = _setting(
        int,
        "Most that single executions take in the store, in bytes (never over 15 % of its maxmemory).",
        256 * _MIB,
        least=_MIB,
        most=1024 * 1024 * _MIB,
    )
    rollup_bytes: int = _setting(
        int,
        "Most that all else takes in the store, in bytes (with executions never over a fifth of its maxmemory).",
        128 * _MIB,
        least=_MIB,
        most=1024 * 1024 * _MIB,
    )
    log_bytes: int = _setting(
        int,
        "Most that log records and failed executions take in the store, in bytes (never over 3 % of its maxmemory).",
        64 * _MIB,
        least=_MIB,
        most=1024 * 1024 * _MIB,
    )
    execution_hours: float = _setting(
        float,
        "Hours that single executions are kept: where their bytes hold less, some runs are left out. 0: never.",
        6.0,
        least=0,
        most=720,
    )
    rollup_days: int = _setting(int, "Days that charts and statistics go back.", 30, least=1, most=92)
    shards: int = _setting(int, "Hash tags to spread over; above 1 only for a Redis Cluster.", 1, least=1, most=64)
    resource_interval: float = _setting(
        float,
        "Seconds between samples of CPU, memory and so on; more where one takes over 0.3 % of a core.",
        5.0,
        least=1,
        most=300,
    )
    resources: tuple[str, ...] = _setting(
        tuple,
        "What else is measured of each attempt: `network` (connections opened, bytes sent and received by Python's "
        "sockets), `io` (read and write calls).",
        (),
    )
    build: str | None = _setting(
        str,
        "What was deployed (a commit, an image's tag), shown with each worker; at most 80 characters.",
        None,
        optional=True,
        default_text="none",
    )
    worker_days: float = _setting(
        float, "Days that a worker which is gone stays in the list of workers.", 1.0, least=0.01, most=92
    )
    queue_interval: float = _setting(float, "Seconds between samples of the broker's queues.", 10.0, least=1, most=300)
    rabbitmq_api: str | None = _setting(
        str,
        "URL of RabbitMQ's management API, like http://user:pass@host:15672: tells unacknowledged and oldest messages.",
        None,
        optional=True,
        default_text="none",
        secret=True,
    )
    capture_received: bool = _setting(
        bool,
        "True: note when a worker receives each message, which makes prefetch holds exact and costs its parent CPU.",
        default=False,
    )
    log_level: str = _setting(
        str,
        "Log records of tasks are kept from this level on: DEBUG, INFO, WARNING, ERROR, CRITICAL or OFF.",
        "WARNING",
    )
    log_buffer_level: str = _setting(
        str,
        "Lesser records, from this level on, are kept when the attempt ends badly: the last 50.",
        "INFO",
    )
    capture_arguments: bool = _setting(bool, "True: keep tasks' arguments, redacted and bounded.", default=False)
    capture_results: bool = _setting(bool, "True: keep tasks' results, redacted and bounded.", default=False)
    capture_span_data: str = _setting(
        str, 'Attributes of spans: `"none"`, or `"repr"` to keep them, redacted and bounded.', "none"
    )
    label_keys: tuple[str, ...] = _setting(
        tuple, "Keys of labels with statistics of their own: the first 50 values of each, then `other`.", ()
    )
    identity_labels: tuple[str, ...] = _setting(
        tuple,
        "Keys of labels whose values are indexed, as far as the bytes for executions reach.",
        ("session", "user", "correlation"),
    )
    anonymise_labels: tuple[str, ...] = _setting(
        tuple, "Keys of labels whose values leave the process as a keyed hash only.", ()
    )
    anonymise_key: str | None = _setting(
        str, "Key of that hash, the same in every process.", None, optional=True, default_text="none", secret=True
    )
    redact: dict[str, Any] | None = _setting(  # noqa: RUF009 - as below
        dict,
        "Secrets beside those known: `keys`, words in names, and `patterns`, regular expressions.",
        None,
        optional=True,
        default_text="`{}`",
    )
    exclude: dict[str, Any] | None = _setting(  # noqa: RUF009 - as below
        dict,
        "What is counted without content: `tasks` and `loggers` as shell patterns, and keys of `labels`.",
        None,
        optional=True,
        default_text="`{}`",
    )
    alerts: dict[str, Any] | None = _setting(  # noqa: RUF009 - makes a field, as `field` does
        dict,
        "Changes to the alert rules: rule name to its settings.",
        None,
        optional=True,
        default_text="`{}`",
    )


TABLE: Final[dict[str, Bounds]] = {f.name: f.metadata["bounds"] for f in fields(Settings) if f.metadata}
"""Every setting a user can give, by field name."""


def load_settings(app: Any) -> Settings:
    """Return the settings of a Celery app; the environment wins over `app.conf`.

    Reads the app's configuration, so call it when the app is configured, not before.

    Raises:
        ConfigurationError: a key is unknown or its value is not of the accepted form; the text names both.
    """
    given: dict[str, Any] = {}
    for source, name, value in [*_from_conf(app.conf), *_from_environment()]:
        given[name] = _checked(source, name, value)
    default = "namespace" not in given
    if default:
        given["namespace"] = default_namespace(app)
    if "url" not in given:
        given["url"] = _default_url(app, wanted=given.get("enabled", True))
    _check_anonymised(given)
    return Settings(namespace_is_default=default, **given)


def _check_anonymised(given: Mapping[str, Any]) -> None:
    keys = given.get("anonymise_labels")
    if keys and not given.get("anonymise_key"):
        raise ConfigurationError(
            f"monitor_anonymise_labels is {masked(list(keys))}, and monitor_anonymise_key is not set; set it (or "
            f"CELERY_MONITOR_ANONYMISE_KEY) to {_accepted('anonymise_key', TABLE['anonymise_key'])}, the same in every "
            f"process"
        )


def default_namespace(app: Any) -> str:
    """Return the app's name as a namespace, ``celery`` when it has none."""
    name = "" if app.main in (None, "__main__") else re.sub(r"[^A-Za-z0-9_.-]+", "_", app.main)[:64]
    return name or "celery"


def masked(value: Any) -> str:
    """Return a value as text for messages and logs, passwords in URLs replaced, cut at 200 characters.

    >>> masked("redis://:secret@cache:6379/0")
    "'redis://:***@cache:6379/0'"
    """
    text = value if isinstance(value, str) else repr(value)
    text = re.sub(r"(://[^:/@\s]*):[^@/\s]*@", r"\1:***@", text)
    text = re.sub(r"(?i)(password=)[^&\s'\"]*", r"\1***", text)
    text = text if len(text) <= 200 else text[:200] + "..."
    return repr(text) if isinstance(value, str) else text


def markdown_table() -> str:
    """Return the table of settings as docs/settings.md shows it."""
    rows = ["| setting | type | default | accepts | for |", "|---|---|---|---|---|"]
    defaults = {f.name: f.default for f in fields(Settings)}
    for name, bounds in TABLE.items():
        default = bounds.default_text or f"`{defaults[name]!r}`"
        rows.append(f"| `monitor_{name}` | {bounds.kind.__name__} | {default} | {_range(bounds)} | {bounds.help} |")
    return "\n".join(rows) + "\n"


def _range(bounds: Bounds) -> str:
    return f"{bounds.least} to {bounds.most}" if bounds.least > -math.inf else ""


def _from_conf(conf: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield (key as written, field, value) of what the app was given, the map that wins last."""
    conf.finalize()
    prefix = (conf.prefix or "").lower()
    for mapping in reversed(conf.maps[:-1]):
        for key in mapping:
            name = _field(key, prefix)
            if name is not None:
                yield key, name, mapping[key]


def _field(key: Any, prefix: str) -> str | None:
    """Return what follows ``monitor_`` in a key of ours, None for anybody else's."""
    if not isinstance(key, str):
        return None
    lowered = key.lower()
    for ours in {prefix + "monitor_", "celery_monitor_"}:
        if lowered.startswith(ours):
            return lowered.removeprefix(ours)
    # Under a namespace an upper-case MONITOR_X is somebody else's (all of Django's settings are there).
    if lowered.startswith("monitor_") and not (prefix and key.isupper()):
        return lowered.removeprefix("monitor_")
    return None


def _from_environment() -> Iterator[tuple[str, str, Any]]:
    for key in sorted(os.environ):
        name = key.removeprefix(ENVIRONMENT)
        if name != key and not _FOREIGN.fullmatch(name):
            value = os.environ[key]
            yield f"environment variable {key}", name.lower(), _parsed(name.lower(), value)


def _parsed(name: str, text: str) -> Any:
    """Return a variable's text as the setting's type; what does not fit is left for `_checked`."""
    bounds = TABLE.get(name)
    if bounds is None or bounds.kind is str:
        return text or None
    if bounds.kind is bool:
        words = {
            "1": True,
            "true": True,
            "yes": True,
            "on": True,
            "0": False,
            "false": False,
            "no": False,
            "off": False,
        }
        return words.get(text.strip().lower(), text)
    try:
        return json.loads(text)
    except ValueError:
        return text.split(",") if bounds.kind is tuple else text


def _checked(source: str, name: str, value: Any) -> Any:
    """Return the value as the setting's type, or raise naming key, value and accepted form."""
    bounds = TABLE.get(name)
    if bounds is None:
        close = difflib.get_close_matches(name, TABLE, n=1)
        hint = (
            f"did you mean 'monitor_{close[0]}'?" if close else "settings: " + ", ".join(f"monitor_{n}" for n in TABLE)
        )
        raise ConfigurationError(f"{source}: no such setting (value {masked(value)}); {hint}")
    if value is None and bounds.optional:
        return None
    typed = _typed(bounds, value)
    if type(typed) is not bounds.kind or not _inside(bounds, typed) or not _well_formed(name, typed):
        shown = "the value" if name == "anonymise_key" else masked(value)
        raise ConfigurationError(f"{source}: {shown} is not accepted; give {_accepted(name, bounds)}")
    return typed


def _typed(bounds: Bounds, value: Any) -> Any:
    """Return a value as the setting's type where another type says the same."""
    if bounds.kind is float and type(value) is int:
        return float(value)
    if bounds.kind is tuple and isinstance(value, (list, set, frozenset)):
        return tuple(sorted(value, key=str)) if isinstance(value, (set, frozenset)) else tuple(value)
    return value


def _inside(bounds: Bounds, value: Any) -> bool:
    return not isinstance(value, (int, float)) or bounds.least <= value <= bounds.most


def _well_formed(name: str, value: Any) -> bool:
    if name == "url":
        return "://" in value and value.split("://", 1)[0] in SCHEMES
    if name == "namespace":
        return _NAMESPACE.fullmatch(value) is not None
    if name in _WORDS:
        return value in _WORDS[name]
    if name in _LISTS:
        return _lists(value, _LISTS[name])
    if name == "resources":
        return all(each in RESOURCES for each in value)
    if name == "build":
        return len(value) <= _LONGEST_BUILD
    if isinstance(value, tuple):
        return all(isinstance(key, str) and _LABEL.fullmatch(key) for key in value)
    if name == "anonymise_key":
        return len(value) >= _LEAST_KEY
    if name == "rabbitmq_api":
        return value.startswith(("http://", "https://")) and bool(urlsplit(value).hostname)
    return name != "runtime_dir" or value.startswith("/")


def _lists(value: dict[str, Any], names: tuple[str, ...]) -> bool:
    """Tell whether a setting is lists of texts under known names, and its regular expressions are some."""
    for name, texts in value.items():
        if name not in names or not isinstance(texts, (list, tuple)):
            return False
        if not all(isinstance(text, str) and text for text in texts):
            return False
    try:
        return all(re.compile(pattern) for pattern in value.get("patterns", ()))
    except re.error:
        return False


def _accepted(name: str, bounds: Bounds) -> str:
    forms = {
        "url": f"a URL like redis://:password@host:6379/0 (schemes {', '.join(SCHEMES)})",
        "namespace": "1 to 64 letters, digits, '_', '.' or '-'",
        "runtime_dir": "an absolute path",
        "rabbitmq_api": "a URL like http://user:password@host:15672",
        "alerts": "a dict of rule names, like {'backlog': {'threshold': 500}} (JSON in the environment)",
        "redact": "a dict like {'keys': ['ssn'], 'patterns': ['EMP-[0-9]{6}']}, each a list of texts, the patterns "
        "regular expressions (JSON in the environment)",
        "exclude": "a dict like {'tasks': ['billing.*'], 'labels': ['email'], 'loggers': ['urllib3']}, each a list of "
        "texts (JSON in the environment)",
        **{setting: "one of " + ", ".join(words) for setting, words in _WORDS.items()},
    }
    forms["resources"] = "a list of " + ", ".join(RESOURCES) + " (JSON or with commas in the environment)"
    forms["build"] = f"a text of at most {_LONGEST_BUILD} characters"
    forms["anonymise_key"] = f"a text of at least {_LEAST_KEY} characters"
    words = {
        bool: "True or False", int: "a whole number", float: "a number",
        tuple: "a list of keys like ['tenant'], each 1 to 40 letters, digits, '_', '.' or '-' (JSON or with commas in "
        "the environment)",
    }  # fmt: skip
    form = forms.get(name) or words[bounds.kind]
    if bounds.least > -math.inf:
        form += f" from {_range(bounds)}"
    return form + (" or None" if bounds.optional else "")


def _default_url(app: Any, *, wanted: bool) -> str:
    """Return the broker's URL when it is Redis, else the result backend's, "" when none is wanted."""
    broker = app.conf.broker_read_url or ""
    options = app.conf.broker_transport_options or {}
    backend = app.conf.result_backend_transport_options or {}
    for candidate, master, tls in (
        (broker, options.get("master_name"), app.conf.broker_use_ssl),
        (app.conf.result_backend, backend.get("master_name"), app.conf.redis_backend_use_ssl),
    ):
        url = _redis_url(candidate, master)
        if url:
            return _with_tls(url, tls)
    if not wanted:
        return ""
    raise ConfigurationError(
        f"monitor_url is not set, and neither the broker ({masked(broker)}) nor the result backend "
        f"({masked(app.conf.result_backend)}) is a Redis; set monitor_url (or CELERY_MONITOR_URL) to "
        f"{_accepted('url', TABLE['url'])}"
    )


def _redis_url(candidate: Any, master: str | None) -> str | None:
    """Return the first Redis URL of a broker setting (one, a list, or ';' between), None without any."""
    parts = candidate.split(";") if isinstance(candidate, str) else list(candidate or ())
    urls = [part.strip() for part in parts if isinstance(part, str) and _well_formed("url", part.strip())]
    if not urls:
        return None
    if not urls[0].startswith("sentinel://"):
        return urls[0]
    # Every sentinel leads to the same master; Celery keeps its name in the transport options.
    joined = ";".join(url for url in urls if url.startswith("sentinel://"))
    if master and "master_name=" not in joined:
        joined += ("&" if "?" in joined.rsplit(";", 1)[-1] else "?") + f"master_name={master}"
    return joined


def _with_tls(url: str, options: Any) -> str:
    """Return the URL with what Celery keeps of TLS in a setting beside it (`broker_use_ssl`)."""
    if not options or not url.startswith("redis://"):
        return url
    given = options if isinstance(options, Mapping) else {}
    words = ("none", "optional", "required")  # by the value of ssl.CERT_*
    asked = urlencode({key: words[value] if isinstance(value, int) else value for key, value in given.items()})
    return "rediss://" + url.removeprefix("redis://") + (("&" if "?" in url else "?") + asked if asked else "")
