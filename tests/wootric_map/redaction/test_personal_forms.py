"""Emails and phones by their form, however their characters are written."""

import html
import json
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.redaction.personal_forms import (
    canonical_email,
    canonical_phone,
    is_email,
    personal_in,
)
from wootric_map.redaction.plain_text import PlainText
from wootric_map.redaction.redaction import Redaction

REDACTION: Final = Redaction.keyed(b"a secret")
EMAIL: Final = REDACTION.text("ada@example.com")
ARABIC: Final = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
WIDE: Final = str.maketrans("0123456789+@", "０１２３４５６７８９＋＠")  # noqa: RUF001

Write = Callable[[str], str]

WRITINGS: Final[dict[str, Write]] = {
    "as it is": str,
    "in capitals": str.upper,
    "percent": lambda text: quote(text, safe=""),
    "percent everywhere": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "percent four times": lambda text: quote(quote(quote(quote(text, safe="")))),
    "percent fifty times": lambda text: text.replace("@", "%" + "25" * 50 + "40").replace(
        "+", "%2b"
    ),
    "entities": lambda text: "".join(f"&#{ord(each)};" for each in text),
    "hex entities": lambda text: "".join(f"&#x{ord(each):x};" for each in text),
    "named entities": lambda text: text.replace("@", "&commat;").replace("+", "&plus;"),
    "JSON": lambda text: "".join(f"\\u{ord(each):04X}" for each in text),
    "JSON in JSON": lambda text: json.dumps(text.replace("@", "\\u0040"))[1:-1],
    "percent in entities": lambda text: text.replace("@", "&#37;40").replace("+", "&#37;2B"),
    "full width": lambda text: text.translate(WIDE),
    "behind a colour": lambda text: f"\x1b[31;1m{text}",
    "behind a colour that is shown": lambda text: f"\\x1b[31m{text}",
    "behind a colour in JSON": lambda text: f"\\u001b[31m{text}",
    "with an escape inside": lambda text: f"{text[:2]}\x1b[2J{text[2:]}",
    "with a blank that nobody sees": lambda text: f"{text[:1]}\u200b{text[1:]}",
}

writings = st.sampled_from(sorted(WRITINGS)).map(WRITINGS.__getitem__)
locals_ = st.from_regex(r"[a-z][a-z0-9]{1,6}([._+-][a-z0-9]{1,5})?", fullmatch=True)
domains = st.from_regex(r"[a-z]{2,8}\.(com|io|co\.uk)", fullmatch=True) | st.just("[10.0.0.1]")
addresses = st.builds("{}@{}".format, locals_, domains)
around = st.sampled_from(
    ["{}", "see {} there", "({})", "<{}>", '"{}"', "'{}'", "to:{},", "x\n{}\ty"]
)


@pytest.mark.parametrize("write", WRITINGS.values(), ids=WRITINGS)
def test_one_address_has_one_hash_however_it_is_written(write: Write) -> None:
    shown = REDACTION.text(f"see {write('ada@example.com')} there")
    assert shown.endswith(f"{EMAIL} there")
    assert REDACTION.value("email", write("ada@example.com")) == EMAIL


@given(addresses, writings, around)
def test_no_writing_of_an_address_is_left_and_what_stands_around_it_is(
    email: str, write: Write, around: str
) -> None:
    shown = REDACTION.text(around.format(write(email)))
    # What nobody sees may be left.
    assert PlainText.of(shown).text == around.format(REDACTION.value("email", email))


@given(
    st.from_regex(r"[1-9][0-9]{8,12}", fullmatch=True),
    st.sampled_from(["", " ", ".", "-", " - ", ") ", "\u2013", "\xa0"]),
    st.integers(2, 5),
    writings,
)
def test_no_writing_of_a_phone_is_left(digits: str, between: str, size: int, write: Write) -> None:
    groups = [digits[at : at + size] for at in range(0, len(digits), size)]
    for written in (
        "+" + between.join(groups),
        "+" + between.join(groups).translate(ARABIC),
        write("+" + " ".join(groups)),
    ):
        shown = REDACTION.text(f"ring {written}!")
        # What nobody sees may be left.
        assert PlainText.of(shown).text == f"ring {REDACTION.value('phone', digits)}!"


@pytest.mark.parametrize(
    "text",
    [
        "ada@[10.0.0.1]", "ada@[IPv6:fe80::1]", '"ada lovelace"@example.com', '"ada"@[10.0.0.1]',
        "ada/lovelace@example.com", "o'brien@example.com", "a{b}@example.com", "a=b@example.com",
        "ada@bücher.de", "ада@пример.рф", "ada&bob@example.com",
    ],
)  # fmt: skip
def test_unusual_addresses_are_hidden_as_a_whole_under_a_key(text: str) -> None:
    assert is_email(text)
    assert REDACTION.value("x.name", text) == REDACTION.value("email", text)


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("from ada/lovelace@example.com.", "from {}."),
        ("(ada/lovelace@example.com)", "({})"),
        ("mailto:ada/lovelace@example.com", "mailto:{}"),
        ("from ada/lovelace@[10.0.0.1] on", None),
    ],
)
def test_a_local_part_with_a_slash_is_hidden_whole_where_no_path_is_meant(
    text: str, rest: str | None
) -> None:
    shown = REDACTION.text(text)
    assert "@" not in shown
    if rest:
        assert shown == rest.format(REDACTION.value("email", "ada/lovelace@example.com"))


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("exports/ada@example.com.ndjson", "exports/{}.ndjson"),
        ("exports/ada@example.com.ndjson.gz:5", "exports/{}.ndjson.gz:5"),
        ("ada@example.com.plan.partial", "{}.plan.partial"),
        ("ada@example.com-wal", "{}-wal"),
        ("ada@example.com.2", "{}.2"),
        ("traits.ada@example.com", "traits.{}"),
        ("context.traits.ada@example.com", "context.traits.{}"),
        ("/users/ada@example.com/edit", "/users/{}/edit"),
        ("/users/Ada%20Lovelace/ada@example.com", "/users/Ada%20Lovelace/{}"),
        ("https://x.io/ada@example.com?q", "https://x.io/{}?q"),
    ],
)
def test_an_address_in_a_path_has_the_hash_of_the_address(path: str, shown: str) -> None:
    assert REDACTION.text(path) == shown.format(EMAIL)


@pytest.mark.parametrize(
    "same",
    [
        "Ada <ada@example.com>", "mailto:ada@example.com", '"ada"@example.com', " ADA@EXAMPLE.COM ",
        "'ada@example.com'", "ada@example_com",
    ],
)  # fmt: skip
def test_what_spellings_of_an_address_share(same: str) -> None:
    assert canonical_email(same) == "ada@example.com"


def test_two_addresses_never_share_a_spelling() -> None:
    written = ("a/b@c.io", "b@c.io", "a b@c.io", "a=b@c.io", "ab@c.io", "a.b@c.io", "a+b@c.io")
    assert len({canonical_email(each) for each in written}) == len(written)


def test_punycode_and_the_letters_it_stands_for_are_one_address() -> None:
    assert canonical_email("ada@xn--bcher-kva.de") == canonical_email("ada@Bücher.de")
    assert canonical_email("ada@xn--\udcff") == "ada@xn--\udcff"


def test_digits_of_every_script_are_the_same_phone() -> None:
    for digits in ("4420", "4420".translate(ARABIC), "4420".translate(WIDE)):
        assert canonical_phone(f"+{digits[:2]}-{digits[2:]}") == "4420"


# What is read, and where it stands


@given(st.text("a@%240+&#64;\\u0 x1b[éé\u0301\u200b＠ﷺ\n\x1b;{}", max_size=60))  # noqa: RUF001
def test_every_character_that_is_read_stands_somewhere_in_order(text: str) -> None:
    plain = PlainText.of(text)
    last = 0
    for at in range(len(plain.text)):
        begin, end = plain.written_at(at, at + 1)
        assert 0 <= begin < end <= len(text)
        assert begin >= last - 1 or begin == last
        last = begin
    if plain.text:
        begin, end = plain.written_at(0, len(plain.text))
        assert PlainText.of(text[begin:end]).text.startswith(plain.text[:1])


@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=126)).filter(lambda text: "@" not in text)
)
def test_text_without_encodings_reads_as_it_is_written(text: str) -> None:
    bare = text.replace("%", "").replace("&", "").replace("\\", "")
    assert PlainText.of(bare).text == bare
    assert PlainText.of(html.escape(bare).replace("&#x27;", "'")).text == bare


def test_what_is_no_email_is_none() -> None:
    for text in ("Ada @ home", "@ada", "ada@", "a/b", "", "@", "%40", "&#64;"):
        assert not list(personal_in(PlainText.of(text)))
