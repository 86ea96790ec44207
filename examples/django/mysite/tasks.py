"""The project's tasks."""

from celery import shared_task


@shared_task
def greet(name: str) -> str:
    """Say hello."""
    return f"Hello, {name}"
