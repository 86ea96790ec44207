"""The app that smoke workers run; pytest-celery puts tasks, name and settings into the three lines."""

from celery import Celery

from celery_monitor import Monitor

imports = None

app = Celery("celery_test_app")
config = None

if config:
    app.config_from_object(config)

Monitor(app)
