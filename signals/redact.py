r"""Takes secrets out of texts before they leave the process: by the names they are given, and by their own forms.

Names (`KEYS`) count in mappings and, followed by ``=`` or ``:``, in any text: ``password=...``, ``'api_key': '...'``,
``Authorization: Basic ...``. Forms are known without a name: bearer tokens, credentials in URLs, JWT (RFC 7519),
PEM private keys (RFC 7468), keys of AWS and other services by their prefixes, and card numbers (ISO/IEC 7812: 13 to 19
digits of a known issuer with a right Luhn sum). Every pattern needs time linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from traceback import format_tb
from typing import Any, Final

from billiard.exceptions import SoftTimeLimitExceeded

from celery_monitor.signals import guard

MARK: Final = "[redacted]"
KEYS: Final = (
    "password", "passwd", "passphrase", "pwd", "secret(?!ar)", "token(?!i)", "authorization", "api[ _-]?key",
    "access[ _-]?key", "private[ _-]?key", "credential", "cookie", "session[ _-]?(?:id|key)", "csrf", "xsrf", "jwt",
    "card[ _-]?(?:number|no)(?![a-z])", r"(?<![a-z])cvv", r"(?<![a-z])cvc",
)  # fmt: skip
"""Names of secrets as regular expressions, found anywhere in a name, in any case."""
_BOUND: Final = 16_384
"""Characters of a text that are looked at; what is longer is cut before."""
_SAID: Final = 1000
_TRACE: Final = 4000
_FRAMES: Final = -8
"""Of an exception that is logged: characters of its message, of its frames, and how many, the innermost ones."""
_QUOTED: Final = r"""[bBrRuU]{0,2}(?:"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|(?P<q>\\+["'])(?:(?!(?P=q)).)*(?:(?P=q))?)"""
_BARE: Final = (
    r"(?:(?:Basic|Bearer|Digest|Token|Negotiate|ApiKey)\s{1,5})?"
    r"""(?:\[[^\]]*\]?|\([^)]*\)?|\{[^}]*\}?|[^\s,;&"'}\])]+)"""
)
_NUMBER: Final = re.compile(r"\d{1,9}(?:\.\d{1,6})?")


_SUSPECT: Final = re.compile(
    "pass|pwd|secret|token|auth|api[ _-]?key|access[ _-]?key|private|cred|cookie|session|csrf|xsrf|jwt|card|cv[vc]"
    "|bearer|basic |://|eyj|akia|asia|aida|aroa|agpa|anpa|gh[pousr]_|github_|[srp]k_|sk-|xox|aiza|glpat-|hf_|sg\\."
    "|npm_|pypi-"
)
"""One of these is in every lower-case text that holds a secret with a name or a form; a search for it is cheap."""
_DIGITS: Final = re.compile(r"\d(?:[ -]?\d){12}")
"""And this in every text that holds a card number."""
Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]


def luhn(digits: str) -> bool:
    """Tell whether digits have a right check digit (Luhn, US patent 2950048; ISO/IEC 7812-1 annex B).

    >>> luhn("4111111111111111"), luhn("4111111111111112")
    (True, False)
    """
    odd, even = digits[-1::-2], digits[-2::-2]
    return (sum(map(int, odd)) + sum(sum(divmod(2 * int(d), 10)) for d in even)) % 10 == 0


def _card(found: re.Match[str]) -> str:
    digits = re.sub("[ -]", "", found[0])
    return MARK if 13 <= len(digits) <= 19 and luhn(digits) else found[0]


def _keyed(found: re.Match[str]) -> str:
    """Hide what follows a secret's name, but not a number of tokens: a model's tokens are counted, not kept secret."""
    name, value = found["name"], found["value"]
    if name.lower().endswith("tokens") and _NUMBER.fullmatch(value):
        return found[0]
    quote = value[-1] if value[0] in "\"'" and value[-1] == value[0] and len(value) > 1 else ""
    return f"{name}{found['is']}{quote}{MARK}{quote}"


def _by_name(keys: Iterable[str]) -> re.Pattern[str]:
    # What stands before the name in a longer one is left alone: a pattern that took it in would try every beginning.
    return re.compile(
        rf"""(?P<name>(?:{"|".join(keys)})[\w.-]{{0,40}})(?P<is>\\{{0,4}}["']?\]?\s{{0,5}}(?:=>|:=|==?|:)\s{{0,5}})(?P<value>{_QUOTED}|{_BARE})""",
        re.IGNORECASE | re.DOTALL,
    )


_CARD: Final[Rule] = (
    # Issuers: Visa, Mastercard, American Express, Diners, Discover, JCB, UnionPay, Maestro. Times in us begin with 1.
    re.compile(r"(?<![\d.])(?:4|5[0-8]|2[2-7]|3[0-9]|6[0-9])\d?(?:[ -]?\d){11,17}(?!\d)"),
    _card,
)
_BLOCKS: Final[tuple[Rule, ...]] = (  # whole lines, before what is in them
    (
        re.compile(
            r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL
        ),
        MARK,
    ),
    (re.compile(r"(?i)(\b(?:set-)?cookie2?: )[^\r\n\"']+"), rf"\1{MARK}"),
)
_FORMS: Final[tuple[Rule, ...]] = (
    (re.compile(r"(?i)\b(bearer\s{1,5})[A-Za-z0-9._~+/=-]{8,}"), rf"\1{MARK}"),
    (re.compile(r"\b([Bb]asic\s{1,5})(?=\S{0,60}[0-9A-Z=])[A-Za-z0-9+/=_-]{8,}"), rf"\1{MARK}"),
    (
        re.compile(r"""://(?:[^\s:/?#@"'<>]{0,100}:[^\s@"'<>]{1,200}|[^\s:/?#@"'<>]{1,200})@"""),
        f"://{MARK}@",
    ),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,500}\.[A-Za-z0-9_-]{5,4000}(?:\.[A-Za-z0-9_-]{0,4000})?"), MARK),
    (re.compile(r"\b(?:AKIA|ASIA|AIDA|AROA|AGPA|ANPA)[A-Z0-9]{16}\b"), MARK),
    (
        re.compile(
            r"\b(?:gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_\w{20,255}|[srp]k_(?:live|test)_[A-Za-z0-9]{8,255}"
            r"|sk-[A-Za-z0-9_-]{16,255}|xox[abeoprs]-[A-Za-z0-9-]{8,255}|AIza[A-Za-z0-9_-]{30,60}|glpat-[\w-]{16,255}"
            r"|hf_[A-Za-z0-9]{20,255}|SG\.[\w-]{16,255}\.[\w-]{16,255}|npm_[A-Za-z0-9]{30,255}|pypi-[\w-]{16,255})"
        ),
        MARK,
    ),
)


class Redactor:
    """The names and forms in force.

    Parameters:
        keys: further names, plain words found anywhere in a name in any case.
        patterns: further forms, regular expressions; what they match is replaced.

    """

    def __init__(self, keys: Iterable[str] = (), patterns: Iterable[str] = ()) -> None:
        own = tuple(re.escape(key) for key in keys)
        self._keys = re.compile("|".join(KEYS + own), re.IGNORECASE)
        self._rules = (*_BLOCKS, (_by_name(KEYS + own), _keyed), *_FORMS)
        self._suspect = None if own else _SUSPECT
        self._patterns = [re.compile(pattern) for pattern in patterns]

    def names(self, key: str) -> bool:
        """Tell whether a name is a secret's.

        >>> [Redactor().names(n) for n in ("DB_PASSWORD", "X-Api-Key", "user", "secretary", "tokens", "session")]
        [True, True, False, False, True, False]
        """
        return self._keys.search(key[:200]) is not None

    def text(self, text: str) -> str:
        """Return a text without secrets.

        >>> Redactor().text("GET https://anna:pw@shop/?token=abc&page=2, card 4111 1111 1111 1111")
        'GET https://[redacted]@shop/?token=[redacted]&page=2, card [redacted]'
        """
        if self._suspect is None or self._suspect.search(text.lower()):
            for pattern, put in self._rules:
                text = pattern.sub(put, text)
        if _DIGITS.search(text):
            text = _CARD[0].sub(_CARD[1], text)
        for pattern in self._patterns:
            text = pattern.sub(MARK, text)
        return text


_in_force = Redactor()


forget: list[Callable[[], None]] = []
"""What keeps texts that were looked at, and must look again when the rules change."""


def use(keys: Iterable[str] = (), patterns: Iterable[str] = ()) -> None:
    """Take further names and forms, in place of those taken before."""
    global _in_force
    _in_force = Redactor(keys, patterns)
    name.cache_clear()
    for clear in forget:
        clear()


def text(value: str, most: int = _BOUND) -> str:
    """Return the beginning of a text, at most `most` characters, without secrets; never raises an Exception.

    >>> text("x" * 9, 4), text("login(password='hunter2')")
    ('xxx…', "login(password='[redacted]')")
    """
    try:
        # More is looked at than is kept: a secret that the cut would halve must be known as one.
        clean = _in_force.text(value if len(value) <= _BOUND else value[:_BOUND])
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:  # noqa: BLE001 - a pattern of the user's; what was not looked at is not shown
        guard.note("redaction", error)
        return MARK
    return clean if len(clean) <= most else clean[: most - 1] + "…"


@lru_cache(maxsize=2000)
def name(value: str) -> str:
    """Return a name without secrets, remembered: few names are said often."""
    return text(value)


def end_of(value: str, most: int) -> str:
    """Return the end of a text, at most `most` characters, without secrets: whole lines of a traceback."""
    if len(value) > _BOUND:
        value = value[-_BOUND:].partition("\n")[2]  # the first line has lost its beginning, and a secret its name
    clean = text(value)
    return clean if len(clean) <= most else "…" + clean[1 - most :]


def secret(key: str) -> bool:
    """Tell whether a name is a secret's; True when it cannot be told."""
    try:
        return _in_force.names(key)
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        guard.note("redaction", error)
        return True


def pair(key: str, value: str, most: int = _BOUND) -> str:
    """Return what may be shown of a named value."""
    return MARK if secret(key) and not _harmless(key, value) else text(value, most)


def told(error: BaseException) -> str:
    """Return type, message and frames of an exception without secrets; what it was raised from is left out.

    >>> told(ValueError("no login with password=hunter2"))
    'ValueError: no login with password=[redacted]'
    """
    try:
        said = str(error)
    except SoftTimeLimitExceeded:
        raise
    except Exception as broken:  # noqa: BLE001 - a user's __str__
        said = f"<unprintable: {type(broken).__name__}>"
    frames = "".join(format_tb(error.__traceback__, limit=_FRAMES))
    return f"{type(error).__name__}: {text(said, _SAID)}" + (f"\n{end_of(frames, _TRACE)}" if frames else "")


guard.told = told


def _harmless(key: str, value: Any) -> bool:
    return key.lower().endswith("tokens") and _NUMBER.fullmatch(str(value)) is not None
