"""The thread that drains rings, samples the process and its host, and ships both in one round trip per flush."""
