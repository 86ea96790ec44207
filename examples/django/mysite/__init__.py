"""A Django project; its Celery app is made with it, as Celery's own guide does."""

from mysite.celery import app as celery_app

__all__ = ("celery_app",)
