"""All that speaks Redis: keys, inbox, fold, rollup tiers, blocks of executions, index, live state."""
