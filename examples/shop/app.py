"""The shop's Celery app. The one line that gives it a monitor is `Monitor(app)`."""

from __future__ import annotations

import os

from celery import Celery

from celery_monitor import Monitor
from shop import ledger

app = Celery(
    "shop",
    include=["shop.orders", "shop.payments", "shop.media", "shop.mail", "shop.reports", "shop.maintenance"],
)
app.conf.update(
    broker_url=os.environ.get("SHOP_REDIS_URL", "redis://localhost:6379/0"),
    result_backend=os.environ.get("SHOP_REDIS_URL", "redis://localhost:6379/0"),
    result_expires=600,
    task_default_queue="orders",
    task_routes={
        "shop.payments.*": {"queue": "payments"},
        "shop.media.*": {"queue": "media"},
        "shop.mail.*": {"queue": "mail"},
        "shop.reports.*": {"queue": "reports"},
        "shop.maintenance.*": {"queue": "reports"},
    },
    broker_connection_retry_on_startup=True,
    monitor_identity_labels=["customer"],  # all orders of a customer can be found again
    beat_schedule={
        "clean-up": {"task": "shop.maintenance.clean_up", "schedule": 10.0},
        "stock": {"task": "shop.maintenance.sync_stock", "schedule": 15.0},
    },
)

Monitor(app)

ledger.connect()  # only for the demo: counts what is published without Celery's or our own book-keeping
