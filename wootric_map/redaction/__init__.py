"""Personal data as short keyed hashes, in all that is shown (`--redact`)."""
