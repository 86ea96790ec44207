"""Threshold rules over what was just measured: pure rules and states, a ledger in the store, notifiers."""
