"""Where a plan keeps, sorts and joins its records until all are read."""
