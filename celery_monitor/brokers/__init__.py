"""Reads what waits in the broker's queues; read-only, and declares nothing."""
