"""Pure functions from the store's cells to the figures a person reads; no I/O, no clock."""
