"""Tables of text that fit a width: names to the left, numbers to the right, the long name gives way."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

GAP: Final = "  "


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[str]:
    r"""Return head and rows as lines of at most `width` columns of a terminal.

    Parameters:
        heads: titles; the first column is text, the others are numbers.
        rows: cells, as many per row as there are titles.
        width: of the terminal; the first column is cut first, then columns are left out from the right.

    >>> rows = [["shop.charge", "100"], ["shop.a_very_long_name", "7"]]
    >>> print(*table(["Tasks", "ended"], rows, 20), sep="\n")
    Tasks          ended
    shop.charge      100
    shop.a_very_…      7
    """
    shown = len(heads)
    while True:
        widths = [max(columns(row[i]) for row in (heads, *rows)) for i in range(shown)]
        first = width - sum(widths[1:]) - len(GAP) * (shown - 1)
        if first >= min(widths[0], 12) or shown == 1:
            break
        shown -= 1
    widths[0] = min(widths[0], max(first, 1))
    return [_line(row[:shown], widths) for row in (heads, *rows)]


def cut(text: str, width: int) -> str:
    r"""Return the text, with an ellipsis for its end when it is longer than `width`.

    What a terminal would obey instead of show (a task may be called anything) becomes a question mark.

    >>> cut("shop\x1b[2Jcharge", 10)
    'shop?[2Jc…'
    >>> cut("注文.確認", 6)
    '注文.…'
    """
    text = "".join(char if char.isprintable() else "?" for char in text)
    if columns(text) <= width:
        return text
    while text and columns(text) >= width:
        text = text[:-1]
    return text + "…"


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes: Chinese, Japanese and Korean signs take two.

    >>> columns("mail"), columns("注文"), columns("e\u0301")
    (4, 4, 1)
    """
    return sum(1 + (unicodedata.east_asian_width(char) in "WF") for char in text if not unicodedata.combining(char))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = cut(cells[0], widths[0])
    rest = (_room(cell, width) + cell for cell, width in zip(cells[1:], widths[1:], strict=True))
    return GAP.join((first + _room(first, widths[0]), *rest)).rstrip()


def _room(cell: str, width: int) -> str:
    return " " * (width - columns(cell))
