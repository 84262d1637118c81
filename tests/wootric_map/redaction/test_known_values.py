"""What was hidden once is found wherever it stands again."""

import unicodedata
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, quote_plus

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.redaction.known_values import KnownValues
from wootric_map.redaction.redaction import Redaction

NAME: Final = "name:0123456789ab"
ADA: Final = "Ada Lovelace"


def shown_in(known: KnownValues, text: str) -> str:
    for found in reversed(list(known.find(text))):
        text = text[: found.begin] + found.shown + text[found.end :]
    return text


def knowing(kind: str, *values: str) -> KnownValues:
    known = KnownValues()
    for value in values:
        known.learn(kind, value, f"{kind}:0123456789ab")
    return known


@pytest.mark.parametrize(
    "text",
    [
        "{}", "ask {} again", "({})", "{}'s", "exports/{}.ndjson", "/users/{}/edit", "x_{}_y", '"{}"',
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "written", [ADA, "ADA LOVELACE", "ada lovelace", "ada-lovelace", "Ada_Lovelace", "ada.lovelace"]
)
def test_a_name_is_found_as_whole_words_in_any_case(text: str, written: str) -> None:
    assert shown_in(knowing("name", ADA), text.format(written)) == text.format(NAME)


@pytest.mark.parametrize(
    "text", ["Ada", "Lovelace", "Adam Lovelace", "Ada Lovelaces", "Ada and Lovelace"]
)
def test_what_only_shares_letters_with_it_stays(text: str) -> None:
    assert shown_in(knowing("name", ADA), text) == text


def test_the_longest_value_goes_first() -> None:
    known = KnownValues()
    for value, shown in (("Ada", "name:1"), (ADA, "name:2"), ("Ada Lovelace King", "name:3")):
        known.learn("name", value, shown)
    assert shown_in(known, "Ada, Ada Lovelace, Ada Lovelace King") == "name:1, name:2, name:3"


@pytest.mark.parametrize(
    "value", ["A", "true", "12", "1234", "Page", "will", "?", "", "x" * 500, "a b c d e f g h i"]
)
def test_what_says_nothing_of_anybody_is_not_looked_for(value: str) -> None:
    known = knowing("name", value)
    assert len(known) == 0
    assert shown_in(known, f"see {value} there") == f"see {value} there"


@pytest.mark.parametrize("value", ["Bo", "李明", "Al B", "12345", "김철수"])
def test_short_values_that_do_are(value: str) -> None:
    assert NAME in shown_in(knowing("name", value), f"see {value} there")


def test_scripts_without_blanks_need_none() -> None:
    assert shown_in(knowing("name", "李明"), "与李明联系") == f"与{NAME}联系"


@pytest.mark.parametrize(
    "text",
    [
        "02079460001",
        "020 7946 0001",
        "020-7946-0001",
        "020.7946.0001",
        "٠٢٠٧٩٤٦٠٠٠١",
        "020 79460001",
    ],
)
def test_a_phone_is_found_however_its_digits_are_set_apart(text: str) -> None:
    known = knowing("phone", "020 7946 0001")
    assert shown_in(known, f"ring {text}!") == "ring phone:0123456789ab!"
    assert shown_in(known, f"1 {text} 22") == "1 phone:0123456789ab 22"


def test_numbers_that_only_hold_its_digits_stay() -> None:
    known = knowing("phone", "020 7946 0001", "1234")
    for text in ("1020794600012", "02079460002", "020", "1234"):
        assert shown_in(known, text) == text


def test_the_oldest_are_forgotten_and_the_newest_never() -> None:
    known = KnownValues(most=100)
    for number in range(1000):
        known.learn("name", f"Ada Lovelace{number}", NAME)
        assert len(known) <= 100
        assert list(known.find(f"of Ada Lovelace{number}"))
    assert not list(known.find("of Ada Lovelace0"))


# In an output

name = st.from_regex(r"[A-Z][a-zé]{3,9} [A-Z][a-z]{3,9}", fullmatch=True)


@given(
    name,
    st.sampled_from(
        [str, str.upper, quote, quote_plus, lambda text: quote(quote(text)),
         lambda text: unicodedata.normalize("NFD", text), lambda text: text.replace(" ", "\xa0"),
         lambda text: "".join(f"\\u{ord(each):04x}" for each in text),
         lambda text: "".join(f"&#{ord(each)};" for each in text)]
    ),
    st.sampled_from(["{}", "see {}.", "/users/{}?q=1", "[{}]", "{}.ndjson:3"]),
)  # fmt: skip
def test_a_name_that_was_told_by_its_key_is_hidden_in_all_that_follows(
    name: str, write: Callable[[str], str], text: str
) -> None:
    redaction = Redaction.keyed(b"a secret").of_an_output()
    shown = redaction.value("", {"name": name})["name"]
    assert redaction.text(text.format(write(name))) == text.format(shown)


@pytest.mark.parametrize(
    "text",
    [
        "user_name={}", "user_name={}, plan=pro", "see user_name={}; phone={}", "q?name={}&x=1",
        'name="{}"', "name=({})", "x={} is a=b", "name={}'s", "name={}\nplan=pro",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "Zorblatt Kwisatz"),
        ("name", "Zorblatt de la Kwisatz"),
        ("phone", "+1 555 012-3456"),
        ("phone", "020 7946 0958"),
        ("phone", "+1 (555) 012-3456"),
        ("phone", "(020) 7946 0958"),
    ],
)
def test_nothing_of_a_value_stays_behind_an_equals_sign(key: str, value: str, text: str) -> None:
    """A value that was hidden before may hold blanks, at which a query or form would end."""
    redaction = Redaction.keyed(b"a secret").of_an_output()
    hidden = redaction.value(key, value)
    shown = redaction.text(text.format(*[value] * text.count("{}")))
    assert shown.replace("(", "").replace(")", "") == (
        text.replace("(", "").replace(")", "").format(*[hidden] * text.count("{}"))
    )
    assert redaction.text(shown) == shown


@given(st.text("Ada Lovelace@.0123456789+ -%2F/\\", max_size=80))
def test_what_is_redacted_once_is_not_redacted_again(text: str) -> None:
    redaction = Redaction.keyed(b"a secret").of_an_output()
    redaction.value(
        "", {"name": [ADA, "Ada"], "phone": "020 7946 0001", "email": "ada l@example.com"}
    )
    once = redaction.text(text)
    assert redaction.text(once) == once


def test_an_unusual_email_is_found_where_its_form_does_not_tell_its_end() -> None:
    redaction = Redaction.keyed(b"a secret").of_an_output()
    shown = redaction.value("email", "ada/lovelace@example.com")
    assert redaction.text("/u/ada/lovelace@example.com/x") == f"/u/{shown}/x"
    assert redaction.text("/u/Ada%20L/ada/lovelace@example.com") == f"/u/Ada%20L/{shown}"
    assert redaction.text("traits.owner.ada/lovelace@example.com.first") == (
        f"traits.owner.{shown}.first"
    )
    assert redaction.text("/u/ada%2Flovelace%40example.com/x") == f"/u/{shown}/x"


def test_a_record_tells_what_it_hides_and_another_output_learns_it() -> None:
    redaction = Redaction.keyed(b"a secret")
    output, record = redaction.of_an_output(), redaction.of_a_record()
    shown = record.value("", {"name": ADA, "email": "ada@example.com", "note": ADA})
    assert shown["note"] == ADA  # other records may tell of it, too: it is left to the output
    assert output.text(ADA) == ADA
    output.learn(record.told or ())
    assert output.text(f"{ADA}, ada@example.com") == f"{shown['name']}, {shown['email']}"


def test_a_number_that_was_told_as_a_phone_is_hidden_and_others_stay_numbers() -> None:
    output = Redaction.keyed(b"a secret").of_an_output()
    shown = output.value("phone", 442079460001)
    assert output.value("", {"a": 442079460001, "b": 442079460002, "c": 12}) == {
        "a": shown, "b": 442079460002, "c": 12,
    }  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from(["a", ADA, "b ada", "name"]),
        st.recursive(
            st.sampled_from(
                [ADA, f'say "{ADA}"', "of ada-lovelace.", 2079460001, "02079460001", "é", "x"]
            ),
            st.lists,
            max_leaves=4,
        ),
    )
)
def test_what_is_hidden_in_json_that_is_not_read_is_what_is_hidden_when_it_is(data: object) -> None:
    output = Redaction.keyed(b"a secret").of_an_output()
    output.learn_from({"name": [ADA, "b"], "phone": 2079460001})
    record = output.of_a_record()
    text = orjson.dumps(record.value("", data)).decode()
    output.learn(record.told or ())
    shown = output.json_text(text)
    if shown is not None:
        assert orjson.loads(shown) == output.value("", data)
    else:
        assert output.value("", data) != orjson.loads(text) or "20794" in text
