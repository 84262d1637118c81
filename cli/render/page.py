"""A page of text: how wide it is, and with which characters charts are drawn."""

from dataclasses import dataclass
from typing import Final

from cli.wrapping import columns

GAP: Final = "  "
"""What stands between two columns."""
_WIDTH: Final = 100
"""Columns where there is no terminal."""
_LEAST_WIDTH: Final = 40


@dataclass(frozen=True, slots=True)
class Page:
    """What lines are written on."""

    width: int
    bar: str
    """What a bar is made of."""
    cut: str
    """What stands at the end of a text that is cut."""

    @classmethod
    def of(cls, width: int, encoding: str) -> "Page":
        """Return a page of a terminal's columns, 0 for no terminal, and its encoding."""
        return cls(
            max(width or _WIDTH, _LEAST_WIDTH),
            _if_known("\u2588", encoding, "#"),
            _if_known("\u2026", encoding, "..."),
        )

    def fitted(self, text: str, width: int) -> str:
        """Return a text cut, or filled with blanks, to so many columns."""
        if columns(text) > width:
            kept = text[: max(width - len(self.cut), 0)]
            while columns(kept) > width - len(self.cut):
                kept = kept[:-1]
            text = kept + self.cut
        return text + " " * (width - columns(text))


def _if_known(text: str, encoding: str, otherwise: str) -> str:
    """Return a text if the encoding has it."""
    try:
        text.encode(encoding)
    except (LookupError, UnicodeEncodeError):
        return otherwise
    return text
