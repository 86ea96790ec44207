"""Reads an app's settings from its configuration and the environment, and checks them."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from celery_monitor.errors import ConfigurationError
from celery_monitor.settings import RESOURCES, SCHEMES, TABLE, Bounds, Settings

ENVIRONMENT: Final = "CELERY_MONITOR_"
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
    # Up to the last @ before the next URL: who forgot to quote a password has signs of every kind in it.
    text = re.sub(r"(://[^:/@\s]*):(?:(?!;\w+://)\S)*@", r"\1:***@", text)
    text = re.sub(r"(?i)(password=)[^&\s'\"]*", r"\1***", text)
    text = text if len(text) <= 200 else text[:200] + "..."
    return repr(text) if isinstance(value, str) else text


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
            f"did you mean {_spelled(source, name, close[0])!r}?"
            if close
            else "settings: " + ", ".join(f"monitor_{n}" for n in TABLE)
        )
        raise ConfigurationError(f"{source}: no such setting (value {masked(value)}); {hint}")
    if value is None and bounds.optional:
        return None
    typed = _typed(bounds, value)
    if type(typed) is not bounds.kind or not _inside(bounds, typed) or not _well_formed(name, typed):
        shown = "the value" if name == "anonymise_key" else masked(value)
        raise ConfigurationError(f"{source}: {shown} is not accepted; give {_accepted(name, bounds)}")
    return typed


def _spelled(source: str, name: str, known: str) -> str:
    """Return a known setting as whoever wrote a wrong one has to write it there."""
    key = source.rpartition(" ")[2]
    return key[: len(key) - len(name)] + (known.upper() if key.isupper() else known)


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
        return _is_redis(value) and _addresses(value)
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


def _is_redis(url: str) -> bool:
    return "://" in url and url.split("://", 1)[0] in SCHEMES


def _addresses(url: str) -> bool:
    """Tell whether all ports of a Redis URL and its database are numbers; redis-py takes database 0 for a word."""
    scheme = url.split("://", 1)[0]
    pieces = url.split(";") if scheme == "sentinel" or "+cluster" in scheme else [url]
    try:
        parts = [urlsplit(piece if "://" in piece else f"{scheme}://{piece}") for piece in pieces]
        ports = [part.port for part in parts]
    except ValueError:
        return False
    databases = [part.path.strip("/") for part in parts] if scheme not in {"unix", "redis+socket"} else []
    return bool(ports) and all(not name or name.isdecimal() for name in databases)


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
        "url": "a URL like redis://:password@host:6379/0, with / ? # @ : in a password as %2F %3F %23 %40 %3A "
        f"(schemes {', '.join(SCHEMES)})",
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
        bool: "True or False (1/0, true/false, yes/no or on/off in the environment)",
        int: "a whole number", float: "a number",
        tuple: "a list of keys like ['tenant'], each 1 to 40 letters, digits, '_', '.' or '-' (JSON or with commas in "
        "the environment)",
    }  # fmt: skip
    form = forms.get(name) or words[bounds.kind]
    if bounds.range:
        form += f" from {bounds.range}"
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
    urls = [part.strip() for part in parts if isinstance(part, str) and _is_redis(part.strip())]
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
