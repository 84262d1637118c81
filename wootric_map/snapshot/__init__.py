"""Snapshots: files that hold an account's end users."""
