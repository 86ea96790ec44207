"""Labels: what they may be, how they travel as text, and which of them are counted or hidden behind a keyed hash.

Text form: ``key=value&key=value``, keys in order, values percent-encoded to ASCII. Caps: `MOST` labels, keys of
`KEY` only, values of `MAX_VALUE` characters (cut with a visible ``…``), `MAX_TEXT` characters in all. What is over is
left out and counted, and never raised into a task.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, unquote

from billiard.exceptions import SoftTimeLimitExceeded

from celery_monitor.signals import guard
from celery_monitor.signals.record import unpack_id

MOST: Final = 16
CONTINUES: Final = "continues"
"""Reserved key, recorded with a run and in no header: the id of the run that it continues."""
KEY: Final = re.compile(r"[A-Za-z0-9_.-]{1,40}")
MAX_VALUE: Final = 120
_HASH: Final = re.compile(r"[0-9a-f]{16}")
MAX_TEXT: Final = 3000
"""Characters of all labels of an execution: with the longest name there is they fit into a header's tail."""
_SAFE: Final = " !\"#$'()*+,/:;<>@[\\]^`{|}"  # printable, and no mark of the text form
_COUNTED_TEXT: Final = 200  # of a name in a series block


class Rules:
    """What the settings say of labels.

    Attributes:
        counted: keys whose values have statistics of their own.
        hidden: keys whose values leave the process as a keyed hash only.
        key: of that hash.
        redact: takes a key and a value, and returns what of the value may be shown.

    """

    def __init__(self) -> None:
        self.counted: frozenset[str] = frozenset()
        self.hidden: frozenset[str] = frozenset()
        self.key = b""
        self.redact: Callable[[str, str], str] | None = None


rules = Rules()


def use(counted: Iterable[str] = (), hidden: Iterable[str] = (), key: str = "") -> None:
    """Take what the settings say; labels given before keep their form."""
    rules.counted, rules.hidden, rules.key = frozenset(counted), frozenset(hidden), key.encode()
    of_counted.cache_clear()


def anonymous(value: str, key: bytes) -> str:
    """Return 16 hex digits for a value: a keyed BLAKE2b (RFC 7693), the same for the same value and key.

    >>> anonymous("anna", b"k" * 16) == anonymous("anna", b"k" * 16) != anonymous("anna", b"q" * 16)
    True
    """
    return hashlib.blake2b(value.encode("utf-8", "replace"), key=key[:64], digest_size=8).hexdigest()


def known_as(key: str, value: str) -> str:
    """Return the value under which a label left the process: of a hidden key its hash, which may be given too."""
    return anonymous(value, rules.key) if key in rules.hidden and not _HASH.fullmatch(value) else value


def cleaned(given: Mapping[str, Any]) -> dict[str, str]:
    """Return labels as they may leave the process; what may not be a label is left out, counted and logged once."""
    found: dict[str, str] = {}
    for key, value in given.items():
        try:
            if not isinstance(key, str) or KEY.fullmatch(key) is None:
                raise ValueError(f"label {key!r}: a key is 1 to 40 letters, digits, '_', '.' or '-'")
            if key == CONTINUES:
                raise ValueError(f"label {key!r}: this key is reserved")
            found[key] = _shown(key, value)
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:  # noqa: BLE001 - a user's __str__
            guard.note("label", error)
    return found


def _shown(key: str, value: Any) -> str:
    text = value if type(value) is str else str(value)
    if key in rules.hidden:
        return anonymous(text, rules.key)
    if rules.redact is not None:
        text = rules.redact(key, text)
    return text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 1] + "…"


def joined(older: Mapping[str, str], newer: Mapping[str, str], room: int = MAX_TEXT) -> dict[str, str]:
    """Return both, the newer ones winning; what is over the caps is left out and counted, those already there stay."""
    found = dict(older)
    room -= sum(_size(key, value) for key, value in found.items())
    for key, value in newer.items():
        size = _size(key, value) - (_size(key, found[key]) if key in found else 0)
        if size > room or (key not in found and len(found) >= MOST):
            guard.note("label", ValueError(f"label {key!r}: over {MOST} labels or {room} characters left"))
            continue
        found[key] = value
        room -= size
    return found


def _size(key: str, value: str) -> int:
    return len(key) + len(_quoted(value)) + 2


def _quoted(value: str) -> str:
    return value if value.isalnum() and value.isascii() else quote(value, _SAFE, "utf-8", "replace")


def of_run(labels: Mapping[str, str], continues: bytes = b"") -> str:
    """Return the text that is recorded of a run: its labels, and the run that it continues, if any."""
    return write({**labels, CONTINUES: unpack_id(continues)} if continues else labels)


def write(labels: Mapping[str, str]) -> str:
    """Return the text form.

    >>> write({"user": "u1", "note": "50 % & more"})
    'note=50 %25 %26 more&user=u1'
    """
    return "&".join(f"{key}={_quoted(labels[key])}" for key in sorted(labels))


def read(text: str) -> dict[str, str]:
    """Return the labels of a text form; what is none is left out.

    >>> read("note=50 %25 %26 more&user=u1&nonsense")
    {'note': '50 % & more', 'user': 'u1'}
    """
    return dict(_read(text)) if text else {}


@lru_cache(maxsize=2048)
def _read(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split("&", MOST + 1)[: MOST + 1])
    return {key: unquote(value)[:MAX_VALUE] for key, eq, value in pairs if eq and KEY.fullmatch(key)}


def split(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the labels of a run and those of an execution beyond them, from a header's `labels`."""
    runs, _, own = text.partition("?")
    return read(runs), read(own)


@lru_cache(maxsize=2048)
def of_counted(text: str) -> str:
    """Return the text form of those of a header's labels that are counted; "" for none."""
    if not rules.counted:
        return ""
    runs, own = split(text)
    counted = {key: value for key, value in (runs | own).items() if key in rules.counted}
    while counted and len(found := write(counted)) > _COUNTED_TEXT:
        counted.popitem()
    return found if counted else ""
