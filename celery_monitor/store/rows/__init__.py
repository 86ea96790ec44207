"""Task rows: the fold of them into blocks and their index, and what is settled beside: runs, waits, lost attempts."""
