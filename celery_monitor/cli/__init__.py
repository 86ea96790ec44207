"""What is started from a shell: `celery -A proj monitor`, and `celery-monitor demo`."""
