"""Wootric's API: its calls, its replies, its limits (wootric.md)."""
