"""Pages, newest first: limits, and cursors that say where the last page ended."""

from __future__ import annotations

import base64
import binascii
from typing import Final, Protocol, TypedDict

from celery_monitor.errors import BadRequest
from celery_monitor.query.times import parse_iso

DEFAULT_LIMIT: Final = 50
MOST_LIMIT: Final = 500


class Place(Protocol):
    """Where a row stands: when (us), and what tells rows of one time apart."""

    @property
    def at_us(self) -> int:
        """When, in us."""

    @property
    def tie(self) -> bytes:
        """Any bytes that no other of that time has."""


def cursor(place: Place | None) -> str | None:
    """Return the cursor of what comes after a place; None for none."""
    if place is None:
        return None
    raw = place.at_us.to_bytes(8, "big") + place.tie
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def position(text: str | None) -> tuple[int, bytes] | None:
    """Return the time and the tie of a cursor, None for none.

    Raises:
        BadRequest: none of ours.
    """
    if not text:
        return None
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raw = b""
    if not 8 <= len(raw) <= 300:
        raise BadRequest("bad_cursor", f"cursor: {text[:40]!r} is none; give the 'next' of an earlier answer")
    return int.from_bytes(raw[:8], "big"), raw[8:]


def limit(asked: int | str | None, default: int = DEFAULT_LIMIT, most: int = MOST_LIMIT) -> int:
    """Return a limit within 1 and `most`.

    Raises:
        BadRequest: no number.
    """
    if asked is None:
        return default
    try:
        number = int(asked)
    except ValueError:
        raise BadRequest("bad_limit", f"limit: {asked!r} is no number; give 1 to {most}") from None
    return min(max(number, 1), most)


class Bounds(TypedDict):
    """Which part of a list is asked for, as every kind of `Filters` names it."""

    since_us: int | None
    until_us: int | None
    limit: int
    before: tuple[int, bytes] | None


def bounds(
    since: str | None, until: str | None, most: int | str | None, cursor: str | None, default: int = DEFAULT_LIMIT
) -> Bounds:
    """Return the bounds that a face was given.

    Raises:
        BadRequest: not of the accepted form.
    """
    return {
        "since_us": parse_iso("since", since) if since else None,
        "until_us": parse_iso("until", until) if until else None,
        "limit": limit(most, default),
        "before": position(cursor),
    }


def one_of(what: str, text: str | None, known: list[str]) -> str | None:
    """Return a name in capitals when it is one of those that are known, None for none.

    Raises:
        BadRequest: another name.
    """
    if not text:
        return None
    if text.upper() not in known:
        raise BadRequest(f"bad_{what}", f"{what}: {text[:40]!r} is none; give one of {', '.join(known)}")
    return text.upper()
