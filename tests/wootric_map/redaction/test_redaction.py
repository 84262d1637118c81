"""What counts as an email, a phone or a name, and what is shown in its place."""

import re
from itertools import product
from typing import Any
from urllib.parse import quote, quote_plus, unquote, unquote_plus, urlencode

import orjson
import pytest
from examples import examples
from hypothesis import example, given
from hypothesis import strategies as st

from wootric_map.redaction.personal_keys import kind_of
from wootric_map.redaction.redaction import Redaction

REDACTION = Redaction.keyed(b"a secret")
EMAIL = REDACTION.text("ada@example.com")
PHONE = REDACTION.text("+442079460001")
NAME = REDACTION.value("name", "Ada Lovelace")

AN_EMAIL = re.compile(r"[^\s:]@[^\s]")
MEGABYTE = 1024 * 1024

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.emails(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.emails(), inner),
    max_leaves=20,
)


def shape(value: Any) -> Any:
    """How a value is built, whatever stands in it."""
    if isinstance(value, dict):
        return [shape(each) for each in value.values()]
    return list(map(shape, value)) if isinstance(value, list) else None


# What it is told by


@pytest.mark.parametrize(
    "key",
    [
        "name", "Name", "first_name", "firstName", "FIRST_NAME", "FiRsTnAmE", "lastName",
        "Full-Name", "display.name", "username", "userName", "nickname", "surname",
        "maiden_name", "names", "contact_name", "address.name", "address_name", "name.first",
        "name_first", "profile_name", "traits.name", "properties[name]",
        "properties[address_name]",
    ],
)  # fmt: skip
def test_a_name_is_found_in_any_spelling_and_below_others(key: str) -> None:
    assert kind_of(key) == "name"


@pytest.mark.parametrize(
    "key",
    [
        "event_name", "eventName", "page_info.name", "page_info[name]", "plan_name",
        "company.name", "companyName", "product-name", "renamed", "namespace",
    ],
)  # fmt: skip
def test_what_is_named_and_no_person_has_no_name_to_hide(key: str) -> None:
    assert kind_of(key) is None


@pytest.mark.parametrize(
    "key",
    [
        "phone", "Phone", "phoneNumber", "phone_number", "PHONE_NUMBER", "phones", "mobile",
        "mobilePhone", "mobile_number", "telephone", "tel", "cell", "work_phone",
        "contact.phone", "phone.home", "phone_home", "properties[phone]",
    ],
)  # fmt: skip
def test_a_phone_is_found_in_any_spelling_and_below_others(key: str) -> None:
    assert kind_of(key) == "phone"


@pytest.mark.parametrize(
    "key",
    ["email", "Email", "workEmail", "e-mail", "e_mail", "mail", "Mail", "emails", "mails",
     "email_address", "mailAddress", "contact.mail", "properties[mail]"],
)  # fmt: skip
def test_an_email_is_found_in_any_spelling(key: str) -> None:
    assert kind_of(key) == "email"


@pytest.mark.parametrize(
    "key",
    ["hotel", "airmail", "mail_sent", "automobile", "cancelled", "plan", "", "$", "x" * 500],
)
def test_what_only_sounds_like_it_is_nothing(key: str) -> None:
    assert kind_of(key) is None


# What is shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (" ADA@Example.com ", f" {EMAIL} "),
        ("Email ada@example.com has been taken.", f"Email {EMAIL} has been taken."),
        ("ada@example.com (ada@example.com)", f"{EMAIL} ({EMAIL})"),
        ("'ada@example.com',<ada@example.com>", f"'{EMAIL}',<{EMAIL}>"),
        ("/users/ada%40example.com/edit", f"/users/{EMAIL}/edit"),
        ("/users/ada%252540example.com", f"/users/{EMAIL}"),
        ("mailto:ada@example.com?subject=x", f"mailto:{EMAIL}?subject=x"),
        ("exports/ada@example.com/1.gz:5", f"exports/{EMAIL}/1.gz:5"),
        ("{@a.ae", REDACTION.value("email", "{@a.ae")),
        ("a/=?&@a.ae", f"a/=?{REDACTION.value('email', '&@a.ae')}"),
        ("Ada @ home, @ada, ada@", "Ada @ home, @ada, ada@"),
        ("call +442079460001 or +44 (20) 7946-0001", f"call {PHONE} or {PHONE}"),
        ("+123456, 442079460001, 2024-01-01T00:00:00+02:00", None),
        ("https://x.io/?a=1&b=%20&name=&c=d+e#f", None),
        ("?first_name=Ada+Lovelace&q=1", f"?first_name={NAME}&q=1"),
        ("?phone=%2B44+20+7946+0001&id=7", f"?phone={PHONE}&id=7"),
        ("?note=ring+%2B44+20+7946+0001", f"?note=ring+{PHONE}"),
        ("no name=Ada%20Lovelace here", f"no name={NAME} here"),
        (EMAIL + PHONE + "email=" + EMAIL, None),
    ],
)
def test_a_text(text: str, shown: str | None) -> None:
    assert REDACTION.text(text) == (text if shown is None else shown)


def test_an_address_keeps_the_plus_of_an_email() -> None:
    plain = REDACTION.text("ada+news@example.com")
    assert REDACTION.text("?email=ada+news@example.com") == f"?email={plain}"
    assert REDACTION.text("?email=ada%2Bnews%40example.com") == f"?email={plain}"


def test_an_address_inside_an_address_is_redacted_too() -> None:
    inner = urlencode({"email": "ada@example.com", "name": "Ada Lovelace", "q": "1"})
    shown = REDACTION.text("/login?" + urlencode({"next": f"https://x.io/?{inner}"}))
    assert unquote_plus(shown) == f"/login?next=https://x.io/?email={EMAIL}&name={NAME}&q=1"


def test_a_word_that_was_cut_may_begin_an_email_and_goes() -> None:
    assert REDACTION.text("of ada.lov… (1,200 characters)") == "of … (1,200 characters)"
    assert REDACTION.text('"ada.lov… is no date') == '"… is no date'
    assert REDACTION.text('"https://x.io/?q=a%40… (300 characters)"') == '"… (300 characters)"'
    assert REDACTION.text("Loading… and 3 more") == "Loading… and 3 more"


def test_values_are_told_by_where_they_stand() -> None:
    traits = {
        "name": "Ada Lovelace",
        "phone": 442079460001,
        "aliases": {"names": ["Ada Lovelace", None]},
        "mobile": {"work": "020 7946", "verified": True},
        "email": "nobody at all",
        "username": "ada@example.com",
        "ada@example.com": 1,
        "plan": {"name": "pro"},
        "name" * 100: {"first": {"x": "Ada Lovelace"}},
    }
    shown = REDACTION.value("traits", traits)
    assert shown == {
        "name": NAME,
        "phone": PHONE,
        "aliases": {"names": [NAME, None]},
        "mobile": {"work": shown["mobile"]["work"], "verified": True},
        "email": shown["email"],
        "username": EMAIL,
        EMAIL: 1,
        "plan": {"name": "pro"},
        "name" * 100: {"first": {"x": NAME}},
    }
    assert re.fullmatch("phone:[0-9a-f]{12}", shown["mobile"]["work"])
    assert re.fullmatch("email:[0-9a-f]{12}", shown["email"])


def test_an_id_that_counts_as_an_email_is_hidden_as_a_whole() -> None:
    assert REDACTION.value("userId", "ada l@example.com").startswith("email:")
    assert REDACTION.value("userId", "1001") == "1001"
    assert REDACTION.text("external_id=a%2Fl%40example.com").startswith("external_id=email:")


def test_two_keys_that_come_to_one_stay_two() -> None:
    shown = REDACTION.value("", {"ada@example.com": 1, "ADA@example.com": 2})
    assert list(shown.values()) == [1, 2]


# The hash


def test_the_hash_depends_on_the_key_alone_which_is_never_shown() -> None:
    assert Redaction.keyed(b"a secret").text("ada@example.com") == EMAIL
    assert Redaction.keyed(b"another").text("ada@example.com") != EMAIL
    assert Redaction.keyed(b"x" * 1000).text("ada@example.com") != EMAIL
    assert "key" not in repr(REDACTION)


@pytest.mark.parametrize("key", [b"", b" \n"])
def test_an_empty_key_is_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="empty"):
        Redaction.keyed(key)


@given(st.emails(), st.sampled_from(["{}", " {}", "{}\n", "see {} there", '"{}"', "({})"]))
def test_no_email_survives_in_a_text_and_its_spellings_share_a_hash(email: str, text: str) -> None:
    shown = REDACTION.text(text.format(email))
    assert not AN_EMAIL.search(shown)
    assert REDACTION.text(text.format(email.upper())).lower() == shown.lower()


# What looks percent-encoded in an email itself is read as if it were (SECURITY.md).
PLAIN_EMAILS = st.emails().filter(lambda email: unquote(email) == email)


@given(PLAIN_EMAILS, st.sampled_from([quote, quote_plus, lambda email: quote(quote(email))]))
@example("/@A.AC", quote)
def test_no_encoded_email_survives_and_a_field_of_its_own_has_its_hash(
    email: str, encode: Any
) -> None:
    assert not AN_EMAIL.search(unquote_plus(unquote_plus(REDACTION.text(f"/u/{encode(email)}/x"))))
    field = REDACTION.text(urlencode({"q": "1", "email": email}))
    assert field == f"q=1&email={REDACTION.value('email', email)}"


@given(st.text(st.characters(categories=["Nd"]), min_size=7, max_size=15), st.text("-. ()"))
def test_no_phone_survives_however_its_digits_are_set_apart(digits: str, between: str) -> None:
    phone = "+" + between[:3].join(digits)
    assert REDACTION.text(f"ring {phone}!") == f"ring {REDACTION.value('phone', digits)}!"
    shown = REDACTION.text("?" + urlencode({"note": phone}))
    assert shown == f"?note={REDACTION.value('phone', digits)}"


@examples(40)
@given(json_values)
def test_what_is_redacted_keeps_its_shape_and_is_redacted_once(value: Any) -> None:
    shown = REDACTION.value("", value)
    assert shape(shown) == shape(value)
    assert REDACTION.value("", shown) == shown
    orjson.dumps(shown)


@given(st.text("a@%40+1=&?:/ .…\"'#2B5\n\udcff"))
def test_a_text_is_redacted_once(text: str) -> None:
    once = REDACTION.text(text)
    assert REDACTION.text(once) == once


@pytest.mark.parametrize(
    "part",
    [
        "a@",
        "@",
        "+1",
        "+1 ",
        "%40",
        "%25",
        "%2525",
        "a%25=",
        "=",
        "a=",
        "a",
        '"',
        '"a',
        "…",
        "a_",
        "@a ",
    ],
)
def test_a_long_text_of_anything_takes_linear_time(part: str) -> None:
    """Anything worse would take hours, and the suite with it."""
    text = part * (MEGABYTE // 4 // len(part))
    REDACTION.value(text, text + "@")


def test_a_long_key_with_many_below_it_takes_linear_time() -> None:
    few = {"x" * 500_000: {f"k{number}": "v" for number in range(50_000)}}
    assert REDACTION.value("", few) == few


def test_many_keys_that_come_to_one_take_linear_time() -> None:
    spellings = [
        "".join(each) for each in product(*zip("abcdefghijklmno", "ABCDEFGHIJKLMNO", strict=True))
    ]
    shown = REDACTION.keys(f"{each}@example.com" for each in spellings)
    assert len(set(shown.values())) == len(spellings) == 2**15
