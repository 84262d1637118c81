"""How much memory the records of a plan take."""

from typing import Final

MEMORY: Final = 128 * 1024 * 1024
"""Bytes of memory that the records of a plan may take, unless the user chooses otherwise."""
LEAST_MEMORY: Final = 64 * 1024 * 1024
"""The fewest bytes of memory in which a plan can be made."""
