"""Tests; the path of a test is the path of what it tests."""
