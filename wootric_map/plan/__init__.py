"""Records become a plan: who is who, what is folded, in which order it is sent (segment.md 7 and 8)."""
