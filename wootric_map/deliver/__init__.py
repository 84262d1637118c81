"""A plan → what Wootric then holds: comparing, deciding, sending, and the journal of it."""
