"""Bytes in and out, without Redis: bounded, checked against their types, as narrow as what they hold."""
