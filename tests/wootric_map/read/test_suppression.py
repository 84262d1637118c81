"""Suppression lists: whom an entry stands for, and which files are lists."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.errors import SourceError
from wootric_map.read.suppression import Entry, Suppression, entries_in


def hashed(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def test_an_id_is_listed_letter_for_letter() -> None:
    listed = Suppression([Entry("User-1")])
    assert listed.has_id("User-1")
    assert listed.has_id(" User-1 ")
    assert not listed.has_id("user-1")
    assert not listed.has_email("User-1@example.com")
    assert not listed.has_id(None)
    assert not listed.has_id("")


def test_an_email_is_listed_in_any_case_also_as_a_user_id() -> None:
    for entry in ("Ada@Example.com", hashed("ada@example.com")):
        listed = Suppression([Entry(entry)])
        assert listed.has_email("ADA@example.com ")
        assert listed.has_id("ada@EXAMPLE.com")


@pytest.mark.parametrize("made_of", ["Ada@Example.com", "ada@example.com"])
@pytest.mark.parametrize("form", [str, str.upper, "sha256:{}".format, "SHA256:{}".format])
def test_a_digest_may_be_of_the_email_as_it_is_written(
    made_of: str, form: Callable[[str], str]
) -> None:
    listed = Suppression([Entry(form(hashed(made_of)))])
    assert listed.has_email(" Ada@Example.com")
    assert listed.has_id("Ada@Example.com")


def test_a_digest_may_be_of_the_digits_of_a_phone_with_their_zeros() -> None:
    assert Suppression([Entry(hashed("02079460002"))]).has_phone("020 7946-0002")


@pytest.mark.parametrize(
    "written", ["+1 (555) 123-45", "155512345", "001-555-12345", "1.555.12345"]
)
@pytest.mark.parametrize(
    "entry", ["+155512345", "1 555 12345", hashed("+155512345"), hashed("155512345")]
)
def test_a_phone_is_listed_however_it_is_written(entry: str, written: str) -> None:
    assert Suppression([Entry(entry)]).has_phone(written)


def test_a_number_that_may_be_a_phone_is_no_other_id() -> None:
    for entry in ("0012345", "123-45", "+12345"):
        assert not Suppression([Entry(entry)]).has_id("12345")
        assert Suppression([Entry(entry)]).has_id(entry)
    assert not Suppression([Entry("00007", "phone")]).has_id("00007")
    assert not Suppression([Entry("77", "email")]).has_id("77")


def test_an_id_may_look_like_a_digest() -> None:
    text = hashed("anything")
    assert Suppression([Entry(text)]).has_id(text)
    assert Suppression([Entry(text)]).has_id("anything")


def test_nobody_is_on_no_list() -> None:
    assert not Suppression()
    assert not Suppression().has_id("1")


_TEXTS = st.text(min_size=1, max_size=8).map(str.strip).filter(bool)


@given(st.lists(_TEXTS, max_size=20), _TEXTS)
def test_exactly_the_listed_ids_are_on_it(entries: list[str], other: str) -> None:
    listed = Suppression([Entry(each) for each in entries])
    assert all(map(listed.has_id, entries))
    phones_and_emails = any("@" in each or each[:1] in "+0123456789" for each in (*entries, other))
    if not phones_and_emails:
        assert listed.has_id(other) == (other in entries)


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("1\n\n 2 \r\n3", ["1", "2", "3"]),
        ("\ufeff1\n", ["1"]),
        ("1\n\ufeff2\n", ["1", "2"]),
        ('"a@x.co"\n"b"\n', ["a@x.co", "b"]),
        ("email\nada@b.co\n", ["ada@b.co"]),
        ("\n\nUser ID,Note\n1,x\n2,\n,y\n", ["1", "2"]),
        ('id,email\n1,"a@b.co"\n2\n', ["a@b.co"]),
        ("id,name\n1,x\n", ["1"]),
        ("phone,email\nn/a,a@x.co\n12345,NULL\n", ["a@x.co", "12345"]),
        ("email;name\na@x.co;Ada\n", ["a@x.co"]),
        ("name\temail\n\ta@x.co\n", ["a@x.co"]),
        ("user_id,user_email\n77,a@x.co\n", ["77", "a@x.co"]),
        ("email,user_id_sha256\na@x.co," + "a" * 64 + "\n", ["a@x.co", "a" * 64]),
        ("Hashed User ID,email\n" + "a" * 64 + ",\n", ["a" * 64]),
        ("Name,Email 1,Mobile phone\nAda,a@x.co,12345\n", ["a@x.co", "12345"]),
        ("auth0|1\nsha256:" + "a" * 64 + "\n", ["auth0|1", "sha256:" + "a" * 64]),
    ],
)
def test_the_entries_of_a_list(tmp_path: Path, text: str, entries: list[str]) -> None:
    path = tmp_path / "list"
    path.write_bytes(text.encode())
    assert [each.text for each in entries_in(path)] == entries


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,2\n",
        b"\xff",
        b"email\n\xff\n",
        b"x" * (2**20 + 1),
        b"",
        b"\n\n",
        b"email\n",
        b"b@x.co\na@x.co,Ada\n",
        b'email,name\nb@x.co,"Bob\na@x.co,Ada\n',
        b"Ada <a@x.co>\n",
        "a@x.co\u200b\n".encode(),
        "1\n2\n".encode("utf-16-le"),
        b'{"userId":"1"}\n',
        b"email\na@x.co b@x.co\n",
        b"1;2\n",
        b"1\ta@x.co\n",
        b"name,email\nLovelace, Ada,a@x.co\n",
        b"email;name\na@x.co,Ada\n",
        b"name;email\nAda,a@x.co\n",
        b"email\na at x.co\n",
        b"email,name\n" + b"a" * 32 + b",Ada\n",
        b"email_sha1,name\n" + b"a" * 40 + b",Ada\n",
        b"phone\n12345 ext. 6\n",
    ],
)
def test_half_a_list_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "list"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="--suppress"):
        list(entries_in(path))


def test_a_list_is_read_anew_for_its_entries(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("1\n2\n")
    listed = Suppression.read([path])
    assert [*listed.entries] == [*listed.entries] == [Entry("1"), Entry("2")]
