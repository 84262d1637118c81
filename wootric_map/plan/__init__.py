"""Records → a plan: who is whom, what is folded, in which order it is sent (segment.md 7 and 8)."""
