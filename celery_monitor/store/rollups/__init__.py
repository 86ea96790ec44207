"""Counters in time: the fold of them into tiers of buckets and lifetime totals, how those coarsen and are dropped."""
