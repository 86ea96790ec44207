"""Every exception of celery-monitor: a caller catches one kind without importing the room that raises it."""

from __future__ import annotations


class MonitorError(Exception):
    """Base of all; never raised itself."""


class ConfigurationError(MonitorError):
    """A setting is unknown, ill-typed, out of range, missing, or contradicts an earlier `Monitor`."""


class StoreError(MonitorError):
    """The store could not do what was asked; base of its other errors, itself for what is none of them."""


class StoreUnreachable(StoreError):  # noqa: N818 - the base has the suffix
    """No answer from the store: refused, timed out, name unknown, connection lost. Worth another try."""


class StoreRefused(StoreError):  # noqa: N818 - the base has the suffix
    """The server answered no: wrong password, not a Redis, out of memory, read-only, command not allowed."""


class StoreTooNew(StoreError):  # noqa: N818 - the base has the suffix
    """The store was written by a newer celery-monitor than this one can read; upgrade this one."""


class BadRequest(MonitorError):  # noqa: N818 - named after the HTTP answer it becomes
    """Input of a reader is not of the accepted form; a face answers it with status 400.

    Parameters:
        code: what is wrong, for programs, like ``bad_window``.
        message: what is wrong and the accepted form, for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[type[BadRequest], tuple[str, str]]:
        return type(self), (self.code, self.message)
