"""Whether a run passes: the thresholds of a check in CI, and the findings that are known."""
