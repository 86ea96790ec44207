"""Product pictures: thumbnails in chunks, and a conversion that needs much memory."""

from __future__ import annotations

from celery import shared_task

from shop.effort import hold, think, wait_for


@shared_task(name="shop.media.thumbnail")
def thumbnail(picture: int) -> int:
    """Scale one picture: mostly CPU."""
    think(0.012)
    return picture


@shared_task(name="shop.media.convert_catalogue")
def convert_catalogue() -> int:
    """Turn the catalogue into a PDF: holds 60 MB for a moment."""
    with hold(60):
        wait_for(0.5)
    return 60


def upload(pictures: list[int], chunk: int = 8) -> None:
    """Publish the pictures in chunks, and on its own the one that the seller looks at first."""
    thumbnail.delay(pictures[0])
    thumbnail.chunks(((picture,) for picture in pictures[1:]), chunk).apply_async(queue="media")
