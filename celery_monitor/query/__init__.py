"""The reader: the few verbs through which every face sees the store."""
