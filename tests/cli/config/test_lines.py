"""The lines of keys, against what `tomllib` itself says of the beginnings of a document."""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.config.lines import Keys, lines_of_keys


def keys_in(data: Mapping[str, Any], before: Keys = ()) -> Iterator[Keys]:
    for key, value in data.items():
        yield (*before, key)
        held = value[-1] if isinstance(value, list) and value else value
        if isinstance(held, dict):
            yield from keys_in(held, (*before, key))


def slowly(text: str) -> dict[Keys, int]:
    """The line of each key: the first after the longest beginning of the document that does not have it."""
    found: dict[Keys, int] = {}
    lines = text.split("\n")
    whole = 0
    for count in range(1, len(lines) + 1):
        try:
            data = tomllib.loads("\n".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            continue  # it ends within a statement
        for keys in keys_in(data):
            found.setdefault(keys, whole + 1)
        whole = count
    return found


ODD = '''\
# rate = "a comment"
rate = "300/min" # [push]
"quoted key" = 1
'literal.key' = """
[push]
not_a_key = "\\""" # still text ""
also = """""
dotted."a.b".c = 1

[ push . "x y" ]
list = [
    "[traits]", # ] and "
    { inside = 1, more.deep = 2 },
]
inline = { a = "}", b.c = "#", d = [1, [2]] }
text = \'\'\'
[traits]
exclude = 1\'\'\'\'
[push."x y".below]
[[twice]]
a = 1
[[twice]]
b = 2
[twice.under]
c = "\\\\" # "
'''


def test_odd_spellings_are_found_where_they_stand() -> None:
    found = lines_of_keys(ODD)
    assert found == slowly(ODD)
    assert found["rate",] == 2
    assert found["literal.key",] == 4
    assert ("not_a_key",) not in found
    assert found["dotted", "a.b", "c"] == 8
    assert found["push", "x y"] == 10
    assert found["push", "x y", "list"] == 11
    assert found["push", "x y", "inline", "b", "c"] == 15
    assert ("traits",) not in found
    assert found["push", "x y", "below"] == 19


NAMES = st.sampled_from(["a", "b-1", '"c d"', "'e.f'", '"g\\"h"', "i . j", '"#".k', "l.m.n"])
TEXTS = st.text(alphabet="a\"'#[]{}=\\ \n", max_size=12)
VALUES = st.one_of(
    st.integers(-9, 9).map(str),
    st.booleans().map(lambda value: str(value).lower()),
    TEXTS.map(lambda text: '"""' + text.replace("\\", "\\\\").replace('"', '\\"') + '"""'),
    TEXTS.map(lambda text: '"""' + text.replace("\\", "\\\\").replace('"""', "") + '"""'),
    TEXTS.map(lambda text: "'''" + text.replace("'", "") + "'''"),
    st.sampled_from(
        ["[]", "[1, 2]", '[\n  "]", # [\n  [{ a = 1 }],\n]', "{}", '{ x.y = "}", "z z" = [ {} ] }']
    ),
)
STATEMENTS = st.one_of(
    st.tuples(NAMES, VALUES).map(lambda pair: f"{pair[0]} = {pair[1]} # = ["),
    NAMES.map(lambda name: f" [{name}]"),
    NAMES.map(lambda name: f"[[{name}]] # ]]"),
    st.sampled_from(["", "# [a]", "\t# b = 1"]),
)


@given(st.lists(STATEMENTS, max_size=8).map("\n".join))
def test_each_key_is_found_as_the_parser_finds_it(text: str) -> None:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert lines_of_keys(text) == slowly(text)


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "a = 1"])
def test_a_short_document_is_no_exception(text: str) -> None:
    assert lines_of_keys(text) == slowly(text)
