"""Suppression lists: whom an entry stands for, and which files are lists."""

from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.errors import SourceError
from wootric_map.read.suppression import Suppression, entries_in


def hashed(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def test_an_id_is_listed_letter_for_letter() -> None:
    listed = Suppression(["User-1"])
    assert listed.has_id("User-1")
    assert listed.has_id(" User-1 ")
    assert not listed.has_id("user-1")
    assert not listed.has_email("User-1@example.com")
    assert not listed.has_id(None)
    assert not listed.has_id("")


def test_an_email_is_listed_in_any_case_also_as_a_user_id() -> None:
    for entry in ("Ada@Example.com", hashed("ada@example.com")):
        listed = Suppression([entry])
        assert listed.has_email("ADA@example.com ")
        assert listed.has_id("ada@EXAMPLE.com")


@pytest.mark.parametrize(
    "written", ["+1 (555) 123-45", "155512345", "001-555-12345", "1.555.12345"]
)
@pytest.mark.parametrize(
    "entry", ["+155512345", "1 555 12345", hashed("+155512345"), hashed("155512345")]
)
def test_a_phone_is_listed_however_it_is_written(entry: str, written: str) -> None:
    assert Suppression([entry]).has_phone(written)


def test_an_id_may_look_like_a_digest() -> None:
    text = hashed("anything")
    assert Suppression([text]).has_id(text)
    assert Suppression([text]).has_id("anything")


def test_nobody_is_on_no_list() -> None:
    assert not Suppression()
    assert not Suppression().has_id("1")


_TEXTS = st.text(min_size=1, max_size=8).map(str.strip).filter(bool)


@given(st.lists(_TEXTS, max_size=20), _TEXTS)
def test_exactly_the_listed_ids_are_on_it(entries: list[str], other: str) -> None:
    listed = Suppression(entries)
    assert all(map(listed.has_id, entries))
    phones_and_emails = any("@" in each or each[:1] in "+0123456789" for each in (*entries, other))
    if not phones_and_emails:
        assert listed.has_id(other) == (other in entries)


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("1\n\n 2 \r\n3", ["1", "2", "3"]),
        ("\ufeff1\n", ["1"]),
        ('a,b\n"c"\n'.replace("a,b\n", ""), ['"c"']),
        ("email\nada@b.co\n", ["ada@b.co"]),
        ("\n\nUser ID,Note\n1,x\n2,\n,y\n", ["1", "2"]),
        ('id,email\n1,"a@b.co"\n2\n', ["1", "a@b.co", "2"]),
        ('note,id\n"a\nb",1\n', ["1"]),
        ("x\na,b\n", ["x", "a,b"]),
        ("", []),
    ],
)
def test_the_entries_of_a_list(tmp_path: Path, text: str, entries: list[str]) -> None:
    path = tmp_path / "list"
    path.write_bytes(text.encode())
    assert list(entries_in(path)) == entries


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"\xff", b"email\n\xff\n", b"x" * (2**20 + 1)])
def test_half_a_list_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "list"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="--suppress"):
        list(entries_in(path))


def test_a_list_is_read_anew_for_its_entries(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("1\n2\n")
    listed = Suppression.read([path])
    assert [*listed.entries] == [*listed.entries] == ["1", "2"]
