"""Files → lines → records: what an export holds, whatever state it is in (segment.md 1 to 3)."""
