"""Configuration files: where they are, what may stand in them, and which value counts."""
