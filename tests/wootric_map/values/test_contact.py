"""Which texts are an email or phone number that can be sent: segment.md, section 4."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wootric_map.sandbox.end_users import EndUserStore
from wootric_map.values.contact import email_in, phone_in, plain_email


@pytest.mark.parametrize(
    "text",
    [
        "ada@example.com",
        "HAL@EM.EXAMPLE",
        "a@b",
        "ju@em.example.",
        "o'neil+tag/x=y@mail.example.com",
        "I\u0307ris@em.example",
        "\u00e4@\u00f6.\u00fc",
        "\U0001f600@example.com",
        "(a)!#$%&*[]^`{|}~@b",
    ],
)
@pytest.mark.parametrize("around", ["", " ", "\n", "\u00a0", "\u2003", "\t"])
def test_one_at_with_something_on_both_sides_is_an_email_trimmed(text: str, around: str) -> None:
    assert email_in(f"{around}{text}{around}") == text


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "ada",
        "@",
        "a@",
        "@b",
        "a@b@c",
        "a b@c.de",
        "a@b c.de",
        "Cy Doe <cy@em.example>",
        "<sue@em.example>",
        "mailto:di@em.example",
        "ed@em.example, ed2@em.example",
        "ed@em.example;ed2@em.example",
        '"ed"@em.example',
        "kay%40em.example",
        "fy@em.example\u200b",
        "\ufefffy@em.example",
        "fy\u00ad@em.example",
        "fy\u00a0x@em.example",
        "fy\u202e@em.example",
        "fy\u2028@em.example",
        "fy\u3164@em.example",
        "fy\ufe0f@em.example",
        "fy@em.example\x00",
        "f\x7fy@em.example",
        "f\x85y@em.example",
        "f\ny@em.example",
        "\ud83d@em.example",
        12345,
        True,
        None,
        ["ana@em.example"],
        {"value": "bo@em.example"},
    ],
)
def test_anything_else_is_no_email(value: object) -> None:
    assert email_in(value) is None


TEXTS = st.text(max_size=8) | st.text("ab@. <\u200b\u00e9\u00a0\n", max_size=10)


@given(TEXTS)
@example("a@\u00e9")
def test_an_email_is_what_the_rule_says_letter_by_letter(text: str) -> None:
    trimmed = text.strip()
    before, *after = trimmed.split("@")
    unseen = {"Zs", "Zl", "Zp", "Cc", "Cf", "Cs"} & set(map(unicodedata.category, trimmed))
    fine = (
        len(after) == 1
        and before != ""
        and after[0] != ""
        and not unseen
        and not set(trimmed) & set('<>,;:"')
    )
    found = email_in(text)
    if fine and found is None:  # a filler, a selector, or a character of no kind yet
        assert not trimmed.isprintable() or not trimmed.isascii()
    else:
        assert found == (trimmed if fine else None)
    assert not plain_email(text) or found == text


@given(TEXTS | st.tuples(TEXTS, TEXTS).map("@".join))
def test_what_is_an_email_here_is_one_to_the_sandbox(text: str) -> None:
    email = email_in(text)
    if email is not None:
        assert EndUserStore().create({"email": email}, 0).email == email


@pytest.mark.parametrize(
    "text",
    [
        "+442079460001", "12345", "(0)20 7946-0001", "020.7946.0001", "555-0100 x12", "1/2/3/4/5",
        "+33\u00a06 12 34 56 78", " +1 555 0100\n", "-12345",
    ],
)  # fmt: skip
def test_five_digits_and_what_stands_between_are_a_phone(text: str) -> None:
    assert phone_in(text) == text.strip()


@pytest.mark.parametrize(
    "text",
    ["", " ", "1234", "call me", "555-0100 ext. 12", "+44 2079 460001 (home)", "555-0100 X12",
     "12345\n67890", "12345\u200b", "\u0661\u0662\u0663\u0664\u0665", "12345;67890", "5e10000", "+1 x-/."],
)  # fmt: skip
def test_anything_else_is_no_phone(text: str) -> None:
    assert phone_in(text) is None


@pytest.mark.parametrize(
    "text", ["a" * 1_000_000, "\u00e9" * 1_000_000 + "@b", "1" * 1_000_000, "@" * 1_000_000]
)
def test_a_text_of_megabytes_takes_no_time(text: str) -> None:
    email_in(text)
    phone_in(text)
