"""Records → Wootric settings and properties (segment.md 4 to 6, wootric.md 6)."""
