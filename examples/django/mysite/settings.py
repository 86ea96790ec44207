"""Django's settings; the monitor's are among Celery's, with the same prefix."""

import os

SECRET_KEY = "only for this example"
INSTALLED_APPS = ["mysite"]
USE_TZ = True

CELERY_BROKER_URL = os.environ.get("SITE_REDIS_URL", "redis://localhost:6379/0")
CELERY_RESULT_BACKEND = CELERY_BROKER_URL

CELERY_MONITOR_NAMESPACE = "mysite"
CELERY_MONITOR_ROLLUP_DAYS = 14
