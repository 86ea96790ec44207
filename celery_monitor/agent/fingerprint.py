r"""Names a failure so that the same one is recognised again, whatever ids, numbers and line numbers it came with.

A fingerprint is the BLAKE2b digest (8 bytes, as hex) of these lines, joined by ``\n``:

1. the exception's type name;
2. its message, normalised: a quoted value, a word with a digit in it (numbers, ids, UUIDs, dates, addresses, hosts with
   a port, versions) and a hexadecimal word of eight letters and more become ``*``; neighbouring ``*`` become one, white
   space one space; then the first 200 characters;
3. the eight innermost frames of the traceback as ``file:function``: the file's name without its folders, no lines.
   Celery's own frames are left out and neighbours that are alike are one: a failure that was retried first and the one
   that is final differ in them only.
"""

from __future__ import annotations

import hashlib
import os
import re
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Final

import celery

_FRAMES: Final = 8
"""Fewer than a capped traceback holds whole: one that is cut off at its head keeps its fingerprint."""
_MESSAGE: Final = 200
_QUOTED: Final = re.compile(r"""(?<!\w)[bru]{0,2}(?:'.*?'|".*?"|`.*?`)(?!\w)""", re.DOTALL)
_VARIABLE: Final = re.compile(r"[\w@.:+/%-]*\d[\w@.:+/%-]*|\b[0-9a-fA-F]{8,}\b")
_REPEATED: Final = re.compile(r"\*(?:[\s,;]*\*)+")
_FRAME: Final = re.compile(r'^  File "([^"\n]*[/\\])?([^"\n]*)", line \d+, in (.+)$', re.MULTILINE)
_CELERY: Final = f"{Path(celery.__file__).parent}{os.sep}"


@lru_cache(maxsize=256)
def fingerprint(kind: str, message: str, traceback: str) -> str:
    """Return the fingerprint of an exception, empty when there is none.

    >>> fingerprint("KeyError", "'order-17'", "") == fingerprint("KeyError", "'order-18'", "")
    True
    >>> fingerprint("KeyError", "'order-17'", "") == fingerprint("ValueError", "'order-17'", "")
    False
    """
    if not kind:
        return ""
    named = [f"{file}:{of}" for folder, file, of in _FRAME.findall(traceback) if not folder.startswith(_CELERY)]
    frames = [frame for frame, _ in groupby(named)][-_FRAMES:]
    lines = "\n".join([kind, normalised(message), *frames])
    return hashlib.blake2b(lines.encode("utf-8", "replace"), digest_size=8).hexdigest()


@lru_cache(maxsize=256)
def normalised(message: str) -> str:
    """Return a message without what differs from one failure to the next of its kind.

    >>> normalised("user 17 not found in <Session at 0x7f3a> ('ann', 'bob') of 10.0.0.1:5432")
    'user * not found in <Session at *> (*) of *'
    """
    text = _VARIABLE.sub("*", _QUOTED.sub("*", message))
    return " ".join(_REPEATED.sub("*", text).split())[:_MESSAGE]
