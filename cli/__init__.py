"""The terminal: options in, library calls, text out."""
