"""Lines of JSON leave printable text as it is: `map` fills it into templates without the writer."""

import sys

from cli.commands.map import _Json
from cli.render.text import json_line


def test_printable_text_is_written_as_it_is_but_for_quotation_marks_and_backslashes() -> None:
    assert _Json(None).is_plain
    every = map(chr, range(sys.maxunicode + 1))
    text = "".join(each for each in every if each.isprintable() and each not in '"\\')
    assert json_line(text).decode() == f'"{text}"\n'
