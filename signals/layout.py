r"""The payload of each kind of record, as handlers write it and the agent reads it.

An ATTEMPT payload is ``END + BEGIN + ids + series + error``: what was known at its start (`BEGIN`, ids, series) is
packed once, at prerun, into the start slot, and copied behind the end. A PUBLISH payload is ``PUBLISH + ids + series``,
a FACT payload ``FACT + ids + series + error``.

* ids: a u16 mask of two bits per id (id, root, parent, group, run), then the bytes it asks for: 0 none, 1 the same as
  the first id, 2 sixteen raw bytes, 3 a length byte and a packed text id (`record.pack_id`). Bit 15 alone says that
  they are unread: an id's 36 characters and its header's 33 (`header`), of an attempt that is nobody's child and in no
  group; publish time and wait are in the header, too, and not in `BEGIN`. The agent reads them a column at a time.
* series: a u16 length and ``task\x00queue\x00workflow`` in UTF-8, with ``\x00routing key`` where that is not the queue.
  A fifth text are the labels that are counted.
* error: a u16 length and ``type\x00message\x00traceback`` in UTF-8.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from celery_monitor.signals import header
from celery_monitor.signals.record import Flag, ResultSize, fixed_id, pack_id

USED: Final = Struct("<BBBxqqIi")
"""state, reason, size class of the result, runtime us, cpu us, peak RSS KiB, RSS growth KiB."""
COUNTED: Final = Struct("<qqqq")
"""bytes read and written, voluntary and involuntary switches (-1 unknown)."""
END: Final = Struct(USED.format + COUNTED.format[1:])
BEGIN: Final = Struct("<IHHHBxqqq")
"""serial, slot, flags, retries, priority, started us, published us, wait us (-1 unknown)."""
PUBLISH: Final = Struct("<qqHH")
"""published us, due us (0 at once), retries, flags."""
FACT: Final = Struct("<BBHIIq")
"""fact, reason, flags, pid of the child (0 unknown), serial of the attempt (0 unknown), at us."""
LABELS: Final = Struct("<q16sB")
"""at us, run, length of the id (0 for the run itself).

The id follows, and a text block ``labels\x00workflow\x00description``.
"""
PLAN: Final = Struct("<q16sHH")
"""at us, run, number of distinct ids, number of steps.

The ids follow, each behind a length byte, the steps (`STEP`), and a text block ``workflow\x00name\x00name...`` of the
tasks and queues that steps point at.
"""
STEP: Final = Struct("<HHHHHBI")
"""id, id of what it waits for, group (1 for the first id, 0 for none), task, queue (1 for the first name, 0 for
none), 1 for a chord's body, steps."""
LENGTH: Final = Struct("<H")

_NO_RESULT: Final = int(ResultSize.NONE)
MAX_NAME: Final = 200
MAX_MESSAGE: Final = 1024
MAX_TRACEBACK: Final = 4096
_ROOM_FOR_LABELS: Final = 3000


_from_hex = bytes.fromhex
_ALONE: Final = LENGTH.pack(2 | 1 << 2 | 1 << 8)
UNREAD: Final = LENGTH.pack(1 << 15)
"""The mask of an id and a header that are written as they came."""
OWN_SIZE: Final = 36
UNREAD_SIZE: Final = OWN_SIZE + header.SIZE
_SKEW_US: Final = 50_000
_SKEWED, _FOREIGN = int(Flag.SKEWED), int(Flag.FOREIGN)


def pack_ids(own_text: str, root: str | None, parent: str | None, group: str | None, run: bytes) -> bytes:
    """Return the ids block; `run` has 16 bytes."""
    if root == own_text and not parent and not group:
        # Most tasks are nobody's child, in no group, and a run of their own. Its 16 bytes were made of this very text,
        # if they are those of its digits: then it has the canonical form, and `pack_id` need not look.
        try:
            if _from_hex(own_text.replace("-", "")) == run:
                return _ALONE + run
        except (AttributeError, ValueError):  # no digits: the id is a text, or a UUID itself
            pass
    own = pack_id(own_text)
    mask = 2 if len(own) == 16 else 3
    out = own if mask == 2 else bytes((len(own),)) + own
    shift = 2
    for text in (root, parent, group):
        if text:
            raw = pack_id(text)
            if raw == own:
                mask |= 1 << shift
            elif len(raw) == 16:
                mask |= 2 << shift
                out += raw
            else:
                mask |= 3 << shift
                out += bytes((len(raw),)) + raw
        shift += 2
    if run == own:
        mask |= 1 << shift
    else:
        mask |= 2 << shift
        out += run
    return LENGTH.pack(mask) + out


def pack_unread(own: str, header_text: str) -> bytes:
    """Return the ids block of an id and a header as they came, b"" when they have not the usual form."""
    try:
        text = own + header_text
    except TypeError:  # publishers may give a UUID itself
        return b""
    if len(own) == OWN_SIZE and len(text) == UNREAD_SIZE and header_text[0] == "1" and text.isascii():
        return UNREAD + text.encode()
    return b""


def read_unread(own: bytes, header_text: bytes) -> tuple[bytes, bytes, int]:
    """Return packed id, run (b"" for the id itself) and publish time of unread ids; -1 when the header is none."""
    packed = pack_id(own.decode("utf-8", "replace"))
    known = header.read(header_text.decode("latin-1"))
    if known is None:
        return packed, b"", -1
    return packed, b"" if known[1] == fixed_id(packed) else known[1], known[0]


def waited(started_us: int, published_us: int) -> tuple[int, int]:
    """Return how long what began was due since its publish, -1 when nobody knows, and what else that says as flags.

    >>> waited(1_000_000, 999_000), waited(1_000_000, 1_000_001), waited(1, 0), waited(1_000_000, 2_000_000)
    ((1000, 0), (0, 0), (-1, 0), (0, 16))
    >>> waited(1, -1)
    (-1, 8)
    """
    if published_us <= 0:
        return -1, _FOREIGN if published_us else 0
    wait = started_us - published_us
    return (wait, 0) if wait >= 0 else (0, _SKEWED if wait < -_SKEW_US else 0)


def unpack_ids(data: bytes, at: int) -> tuple[list[bytes], int]:
    r"""Return ``[id, root, parent, group, run]`` and the offset behind them.

    An id that equals the first is ``b""`` for root and run, as rows keep it; the run of a text id is its digest.

    >>> text = "0b9e2f6c-1111-4222-8333-444455556666"
    >>> own = pack_id(text)
    >>> ids, end = unpack_ids(pack_ids(text, text, "a", None, own), 0)
    >>> ids == [own, b"", b"\x00a", b"", b""], end
    (True, 21)
    """
    if data[at : at + 2] == _ALONE:  # most tasks are nobody's child and in no group
        return [data[at + 2 : at + 18], b"", b"", b"", b""], at + 18
    if data[at : at + 2] == UNREAD:
        ids, _, end = unpack_unread(data, at)
        return ids, end
    (mask,) = LENGTH.unpack_from(data, at)
    at += 2
    ids = []
    for i in range(5):
        how = mask >> (2 * i) & 3
        if how == 2:
            ids.append(data[at : at + 16])
            at += 16
        elif how == 3:
            size = data[at]
            ids.append(data[at + 1 : at + 1 + size])
            at += 1 + size
        elif how == 1 and i in {2, 3}:
            ids.append(ids[0])
        else:
            ids.append(b"")
    if ids[4] and ids[4] == fixed_id(ids[0]):
        ids[4] = b""
    return ids, at


def unpack_unread(data: bytes, at: int) -> tuple[list[bytes], int, int]:
    """Return ids as `unpack_ids` does, publish time (-1 without a header) and offset of a block of unread ids."""
    middle, end = at + 2 + OWN_SIZE, at + 2 + UNREAD_SIZE
    if end > len(data):
        raise IndexError(f"unread ids at {at} lie behind the end of {len(data)} bytes")
    own, run, published = read_unread(data[at + 2 : middle], data[middle:end])
    return [own, b"", b"", b"", run], published, end


def pack_series(task: str, queue: str, workflow: str, routing_key: str = "", labels: str = "") -> bytes:
    """Return the series block of a task, its queue, workflow and routing key, each cut at `MAX_NAME` characters.

    `labels` are left out where the names alone fill a start slot.
    """
    names = (task, queue, workflow, routing_key) if routing_key not in {"", queue} else (task, queue, workflow)
    raw = "\x00".join(name[:MAX_NAME].replace("\x00", "") for name in names).encode("utf-8", "replace")
    if labels and len(raw) < _ROOM_FOR_LABELS:
        raw += b"\x00" * (5 - len(names)) + labels.encode("ascii", "replace")[:MAX_NAME]
    return LENGTH.pack(len(raw)) + raw


def pack_labels(at_us: int, own: bytes, run: bytes, labels: str, workflow: str = "", description: str = "") -> bytes:
    """Return a LABELS payload; `own` is a packed id, empty for what is said of the run itself."""
    raw = "\x00".join(text.replace("\x00", "") for text in (labels, workflow, description)).encode("utf-8", "replace")
    return LABELS.pack(at_us, run, len(own)) + own + LENGTH.pack(len(raw)) + raw


def pack_error(kind: str, message: str, traceback: str) -> bytes:
    """Return the error block; a long message is cut at its end, a long traceback keeps its end."""
    texts = (kind[:MAX_NAME], message[:MAX_MESSAGE], traceback[-MAX_TRACEBACK:])
    raw = "\x00".join(text.replace("\x00", "") for text in texts).encode("utf-8", "replace")[: 3 * MAX_TRACEBACK]
    return LENGTH.pack(len(raw)) + raw


NO_ERROR: Final = LENGTH.pack(0)


def pack_end(state: int, reason: int, runtime_us: int, begun: bytes, error: tuple[str, str, str]) -> bytes:
    """Return the ATTEMPT payload of an end that the attempt could not write itself; what it used is unknown."""
    end = END.pack(state, reason, _NO_RESULT, runtime_us, -1, 0, 0, -1, -1, -1, -1)
    return end + begun + (pack_error(*error) if any(error) else NO_ERROR)


def read_texts(data: bytes, at: int) -> tuple[bytes, int]:
    """Return the raw bytes of a length-prefixed block and the offset behind it; raises ValueError when cut off."""
    if at + 2 > len(data):
        raise ValueError(f"a block at {at} lies behind the end of {len(data)} bytes")
    (size,) = LENGTH.unpack_from(data, at)
    end = at + 2 + size
    if end > len(data):
        raise ValueError(f"a block of {size} bytes does not fit into {len(data) - at - 2}")
    return data[at + 2 : end], end
