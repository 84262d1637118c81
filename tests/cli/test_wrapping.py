"""Lines that are broken at blanks, for a terminal."""

import shlex

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.wrapping import columns, fitted

TEXTS = st.text(st.sampled_from("ab-é界 \n"), max_size=60)
WIDTHS = st.integers(2, 20)


@given(text=TEXTS, width=WIDTHS)
def test_only_blanks_become_line_ends_and_no_line_is_too_wide_but_for_a_word(
    text: str, width: int
) -> None:
    broken = fitted(text, width)
    assert broken.split() == text.split()
    for line in broken.split("\n"):
        assert columns(line) <= width or len(line.split()) <= 1
    assert fitted(broken, width) == broken


@given(text=TEXTS)
def test_what_fits_stays_as_it_is(text: str) -> None:
    assert fitted(text, 200) == text
    assert fitted(text * 9, 0) == text * 9


def test_styles_take_no_room_and_letters_may_take_two_columns() -> None:
    styled = click.style("aaa", fg="red") + " " + click.style("bbb", bold=True)
    assert fitted(styled, 7) == styled
    assert click.unstyle(fitted(styled, 6)) == "aaa\nbbb"
    assert fitted("界界 界", 6) == "界界\n界"


def test_further_lines_of_what_is_indented_are_indented_deeper() -> None:
    assert fitted("one two\n  three four", 9) == "one two\n  three\n    four"


@pytest.mark.parametrize("drawn", ["\r aaaa bbbb", "\x1b[2K aaaa bbbb", "\x1b[1A aaaa bbbb"])
def test_what_is_drawn_stays_as_it_is(drawn: str) -> None:
    assert fitted(drawn, 6) == drawn


@pytest.mark.parametrize(
    "pasted", ["jq -c '.[]' FILE > users.ndjson", "gzip -dc FILE | jq -c . > users.ndjson"]
)
def test_a_conversion_stays_one_line(pasted: str) -> None:
    lines = fitted(f"it is something else; convert it, with care: {pasted}  (once: a:1)", 20)
    assert pasted in lines.split("\n")


def test_a_command_of_an_example_is_broken_as_a_shell_takes_it() -> None:
    command = "  wootric-replay push --reserve 20% segment-logs"
    broken = fitted(command, 30)
    assert broken.replace(" \\\n   ", "") == command
    assert all(columns(line) <= 30 for line in broken.split("\n"))


def test_a_command_is_broken_outside_of_what_is_quoted_and_is_still_the_same() -> None:
    words = [
        "wootric-replay",
        "push",
        "--exclude-trait",
        "first name",
        "it's a folder",
        "b c d e f g",
    ]
    broken = fitted(f"  {shlex.join(words)}", 30)
    assert "\n" in broken
    assert shlex.split(broken.replace("\\\n", "")) == words


def test_a_sentence_that_begins_as_a_command_does_is_no_command() -> None:
    assert "\\" not in fitted(
        "wootric-replay doesn't read addresses, but files on this machine", 20
    )
