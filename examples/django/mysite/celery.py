"""The project's Celery app: settings from Django, tasks from its apps, and one line for the monitor."""

import os

from celery import Celery

from celery_monitor import Monitor

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")

app = Celery("mysite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
Monitor(app)
