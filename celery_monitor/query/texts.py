"""JSON that was recorded as text, as what it says."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def parsed(text: str) -> Any:
    """Return what a JSON text says, the text itself when it is none (it may have been cut), None for an empty one.

    >>> parsed('{"results": 10}'), parsed('{"cut": "o'), parsed("NaN"), parsed("")
    ({'results': 10}, '{"cut": "o', 'NaN', None)
    """
    if not text:
        return None
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
