"""What is entered and left by ``with``, by ``async with`` too."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self  # every type checker knows it; Python's own is not in 3.10


class AsyncWith:
    """Base of classes that say what ``with`` does: ``async with`` does the same, as nothing in it waits."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __enter__(self) -> Self: ...

        def __exit__(
            self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
        ) -> None: ...

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)
