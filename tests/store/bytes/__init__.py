"""Bytes as each release has stored them, and what is read from them: a release's folder is never changed again."""
