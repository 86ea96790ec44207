"""The smallest app with a monitor.

Run it in this folder, with a Redis on this machine:

    celery -A tasks worker --loglevel INFO
    python -c "from tasks import add; add.delay(2, 3)"
    celery -A tasks monitor status
    celery -A tasks flower          # http://localhost:5555/monitor
"""

from celery import Celery

from celery_monitor import Monitor

app = Celery("minimal", broker="redis://localhost:6379/0")
Monitor(app)


@app.task
def add(x: int, y: int) -> int:
    """Add two numbers."""
    return x + y
