"""Snapshots: what is written, gone on with, brought up to date and found again."""

import gzip
import json
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from examples import examples
from full_disk import room_for
from hypothesis import given
from hypothesis import strategies as st
from listed import Listed

from wootric_map.errors import SnapshotError
from wootric_map.model import EndUserUpsert
from wootric_map.snapshot.snapshot_reader import SnapshotReader
from wootric_map.snapshot.snapshot_writer import EarlierSnapshot, PartialSnapshot
from wootric_map.wootric import listing
from wootric_map.wootric.end_users import Reached
from wootric_map.wootric.listing import walk
from wootric_map.wootric.regions import account_fingerprint

T = 1_700_000_000
ACCOUNT = account_fingerprint("NPS-5a4db0c5")
OTHER = account_fingerprint("NPS-EU-5a4db0c5")
AS_OF = {"account": ACCOUNT, "as_of": T + 100}
ADA = {"id": 1, "created_at": T, "email": "Ada@Example.com", "external_id": "u-1"}


def line(row: Mapping[str, Any]) -> bytes:
    return orjson.dumps({**row, **AS_OF, **row}) + b"\n"


def write(path: Path, *rows: Mapping[str, Any] | bytes) -> Path:
    path.write_bytes(b"".join(each if isinstance(each, bytes) else line(each) for each in rows))
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(each) for each in path.read_bytes().splitlines()]


def take(account: Listed, path: Path, *, now: int = T + 100, pages: int | None = None) -> None:
    """Take a snapshot, or, with `pages`, stop after so many."""
    with PartialSnapshot(path, ACCOUNT) as partial:
        partial.begin(now)
        for rows in islice(walk(account, now=lambda: now, reached=partial.reached), pages):
            partial.append(rows)
        if pages is None:
            partial.finish()


def update(
    account: Listed,
    path: Path,
    *,
    now: int = T + 200,
    into: Path | None = None,
    pages: int | None = None,
) -> int:
    """Bring a snapshot up to date, or, with `pages`, stop after so many."""
    target = into or path
    with closing(EarlierSnapshot(path)) as earlier:
        since = earlier.updated_since
        with PartialSnapshot(target, ACCOUNT, updated_since=since) as partial:
            partial.begin(now)
            pages_ = walk(account, now=lambda: now, reached=partial.reached, updated_since=since)
            for rows in islice(pages_, pages):
                partial.append(rows)
            return earlier.merge(partial) if pages is None else 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "end-users.ndjson"


# What is written.


def test_a_line_is_the_end_user_as_told_with_the_account_and_the_time(path: Path) -> None:
    account = Listed([])
    told = {
        "properties": {"plan": "pro", "größe": "ü\u2028\n", "none": None},
        "settings": {"a": [1.5, True, None, 2**64, -(2**70)]},
        "half": "\ud83d",
    }
    account.add(T, **told)
    take(account, path)
    held = json.loads(path.read_bytes())
    assert list(held.items()) == list({"id": 1, "created_at": T, **told, **AS_OF}.items())


def test_it_is_for_its_owner_alone_and_whole_from_the_start(path: Path) -> None:
    account = Listed([T] * 120)
    take(account, path, pages=2)
    partial = path.with_name("end-users.ndjson.partial")
    assert not path.exists()
    assert stat.S_IMODE(partial.stat().st_mode) == 0o600
    assert len(lines(partial)) == 100
    take(account, path)
    assert not partial.exists()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [row["id"] for row in lines(path)] == list(range(1, 121))


def test_an_account_without_end_users_is_an_empty_file(path: Path) -> None:
    take(Listed([]), path)
    assert path.read_bytes() == b""
    with SnapshotReader.open(path) as snapshot:
        assert (len(snapshot), snapshot.account, snapshot.as_of) == (0, None, None)
        assert snapshot  # it must not be taken for none
        assert snapshot.find(EndUserUpsert(email="ada@example.com")) is None


def test_a_run_that_got_nothing_leaves_nothing(path: Path) -> None:
    with PartialSnapshot(path, ACCOUNT):
        pass
    assert list(path.parent.iterdir()) == []


def test_a_link_stays_one(path: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    place = tmp_path / "folder" / "place"
    path.symlink_to(place)
    take(Listed([T]), path)
    assert path.is_symlink()
    assert len(lines(place)) == 1


def test_a_full_disk_leaves_no_half_line(path: Path) -> None:
    partial = PartialSnapshot(path, ACCOUNT)
    partial.begin(T)
    partial.append([ADA])
    whole = partial.path.read_bytes()
    with room_for(len(whole) + 5), pytest.raises(OSError, match=re.escape(str(partial.path))):
        partial.append([{**ADA, "id": 2}])
    assert partial.path.read_bytes() == whole
    partial.append([{**ADA, "id": 3}])
    partial.finish()
    assert [row["id"] for row in lines(path)] == [1, 3]


# Going on.


def small() -> AbstractContextManager[Any]:
    return patch.multiple(listing, PER_PAGE=3, PAGES=4)


def crowds() -> st.SearchStrategy[list[int]]:
    """Seconds in which end users were created, many of them in the same."""
    crowd = st.tuples(st.integers(T, T + 5), st.integers(1, 23))
    return st.lists(crowd, max_size=4, unique_by=lambda each: each[0]).map(
        lambda found: [second for second, count in found for _ in range(count)]
    )


@examples(50)
@given(crowds(), st.data())
def test_cut_off_anywhere_it_becomes_the_same_file(seconds: list[int], data: st.DataObject) -> None:
    with TemporaryDirectory() as folder, small():
        path = Path(folder, "whole")
        take(Listed(seconds), path)
        whole = path.read_bytes()
        cut = data.draw(st.integers(0, len(whole)))
        path.unlink()
        Path(folder, "whole.partial").write_bytes(whole[:cut])
        # Begun later, it is still as of its first line.
        take(Listed(seconds), path, now=T + (100 if cut < len(whole.split(b"\n")[0]) + 1 else 999))
        assert path.read_bytes() == whole


@examples(50)
@given(crowds(), crowds(), st.data())
def test_an_update_stopped_anywhere_becomes_the_same_file(
    before: list[int], after: list[int], data: st.DataObject
) -> None:
    account = Listed(before)
    with TemporaryDirectory() as folder, small():
        path = Path(folder, "snapshot")
        take(account, path)
        first = path.read_bytes()
        for row in account.rows:
            row["updated_at"] = T + data.draw(st.sampled_from([0, 500]))
        for second in sorted(after):
            account.add(second + 500)
        update(account, path)
        whole = path.read_bytes()
        path.write_bytes(first)
        update(account, path, pages=data.draw(st.integers(0, 6)))
        assert path.read_bytes() == first
        update(account, path)
        assert path.read_bytes() == whole
        assert not Path(folder, "snapshot.partial").exists()
        assert sorted(row["id"] for row in lines(path)) == [row["id"] for row in account.rows]


def test_it_knows_where_to_go_on(path: Path) -> None:
    take(Listed([T] * 3 + [T + 5] * 97), path, pages=2)
    with PartialSnapshot(path, ACCOUNT) as partial:
        assert partial.reached == Reached(T + 5, frozenset(range(4, 101)))
        assert partial.as_of == partial.begin(T + 999) == T + 100
        assert partial.count == 100


def test_what_is_left_of_another_account_is_refused(path: Path) -> None:
    partial = write(path.with_name(path.name + ".partial"), ADA)
    with pytest.raises(
        SnapshotError, match="another account; name another file with -o, or delete"
    ):
        PartialSnapshot(path, OTHER)
    assert lines(partial) == [{**ADA, **AS_OF}]


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(line(ADA) * 9, mtime=0),
        b"hello",
        b"hello\n",
        b"{}\n",
        b'{"id":1}\n',
        b"[]\n",
        b'{"type":"identify"}\nmore',
        b"\x1f\x8b\n",
    ],
)
def test_what_is_no_part_of_a_snapshot_is_refused_and_kept(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    with pytest.raises(
        SnapshotError, match=r"partial:1: .*delete it, or name another file with -o"
    ):
        PartialSnapshot(path, ACCOUNT)
    assert partial.read_bytes() == content


def test_what_an_update_left_is_not_taken_for_a_whole_snapshot(path: Path) -> None:
    # It lacks all who were not updated: gone on with as a snapshot, it would seem whole.
    account = Listed(range(T, T + 200))
    take(account, path)
    for row in account.rows:
        row["updated_at"] = T + 900
    update(account, path, pages=1)
    left = path.with_name(path.name + ".partial").read_bytes()
    with pytest.raises(SnapshotError, match="left by another snapshot command"):
        take(account, path)
    assert path.with_name(path.name + ".partial").read_bytes() == left


def test_what_a_snapshot_left_is_not_taken_for_an_update(path: Path) -> None:
    account = Listed(range(T, T + 200))
    take(account, path)
    take(account, path, pages=1)
    with pytest.raises(SnapshotError, match="left by another snapshot command"):
        update(account, path)


def test_two_runs_do_not_write_one_file(path: Path) -> None:
    with (
        PartialSnapshot(path, ACCOUNT) as partial,
        pytest.raises(SnapshotError, match="another run is writing"),
    ):
        PartialSnapshot(path, ACCOUNT)
    assert not partial.path.exists()
    take(Listed([T]), path)


def test_a_link_or_folder_in_the_way_of_the_partial_file_is_refused(path: Path) -> None:
    partial = path.with_name(path.name + ".partial")
    victim = path.with_name("victim")
    victim.write_text("precious")
    partial.symlink_to(victim)
    with pytest.raises(SnapshotError, match="partial"):
        PartialSnapshot(path, ACCOUNT)
    assert victim.read_text() == "precious"
    partial.unlink()
    partial.mkdir()
    with pytest.raises(SnapshotError, match="partial"):
        PartialSnapshot(path, ACCOUNT)


@pytest.mark.parametrize(
    "content", [b'{"type":"identify","userId":"1"}\n', b"hello", orjson.dumps(ADA) + b"\n"]
)
def test_a_file_that_is_no_snapshot_is_not_replaced(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(SnapshotError, match="is no snapshot, and would be replaced"):
        PartialSnapshot(path, ACCOUNT)
    assert path.read_bytes() == content


def test_a_snapshot_of_another_account_is_not_replaced(path: Path) -> None:
    write(path, ADA)
    with pytest.raises(SnapshotError, match="is a snapshot of another account"):
        PartialSnapshot(path, OTHER)


def test_a_snapshot_of_the_account_is_replaced(path: Path) -> None:
    write(path, ADA, ADA)
    take(Listed([T, T + 1, T + 2]), path)
    assert len(lines(path)) == 3


# Bringing up to date.


def test_an_update_replaces_in_place_and_adds_after(path: Path) -> None:
    account = Listed([T, T + 1, T + 2])
    take(account, path)
    account.rows[1] |= {"email": "new@example.com", "updated_at": T + 150}
    account.add(T + 160, email="later@example.com")
    account.queries.clear()
    assert update(account, path, now=T + 200) == 4
    emails = ["u1@example.com", "new@example.com", "u3@example.com", "later@example.com"]
    assert [row["email"] for row in lines(path)] == emails
    assert {row["as_of"] for row in lines(path)} == {T + 200}
    assert {frozenset(row) for row in lines(path)[2:]} == {
        frozenset({"id", "created_at", "email", "account", "as_of"})
    }
    (query,) = account.queries
    assert query["updated[gte]"] == str(T + 100 - 120)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_an_update_in_another_file_leaves_the_first_as_it_was(path: Path) -> None:
    account = Listed([T, T + 1])
    take(account, path)
    first = path.read_bytes()
    compressed = path.with_suffix(".gz")
    compressed.write_bytes(gzip.compress(first))
    account.rows[0] |= {"email": "new@example.com", "updated_at": T + 150}
    for earlier in (path, compressed):
        newer = path.with_name(f"newer than {earlier.name}")
        update(account, earlier, into=newer)
        assert [row["email"] for row in lines(newer)] == ["new@example.com", "u2@example.com"]
    assert path.read_bytes() == first


def test_who_is_deleted_stays(path: Path) -> None:
    account = Listed([T, T + 1])
    take(account, path)
    del account.rows[0]
    update(account, path)
    assert [row["id"] for row in lines(path)] == [1, 2]


def test_an_update_of_nobody_is_a_whole_snapshot(path: Path) -> None:
    take(Listed([]), path)
    account = Listed([T - 9000, T])
    assert update(account, path) == 2
    assert "updated[gte]" not in account.queries[0]


def test_an_update_looks_back_to_the_oldest_line_and_keeps_an_end_user_once(path: Path) -> None:
    write(path, ADA | {"as_of": T + 50}, {**ADA, "id": 2}, {**ADA, "email": "second@example.com"})
    account = Listed([])
    update(account, path)
    assert account.queries[0]["updated[gte]"] == str(T + 50 - 120)
    assert [(row["id"], row["email"]) for row in lines(path)] == [
        (2, "Ada@Example.com"),
        (1, "second@example.com"),
    ]


def test_an_update_leaves_the_rest_of_a_line_to_the_letter(path: Path) -> None:
    exact = (
        b'{"id":1, "created_at":1700000000,"n":12345678901234567890123,"x":1.0,"u":"\\u00e9\\ud83d",'
        b'"properties":{"account":"x","as_of":1}'
    )
    tail = b',"account":"%s","as_of":%d}\n'
    other_order = b'{"account":"%s","as_of":%d,"id":2,"created_at":1,"n":12345678901234567890123}\n'
    said = (ACCOUNT.encode(), T)
    write(path, exact + tail % said, other_order % said)
    update(Listed([]), path)
    newer = (ACCOUNT.encode(), T + 200)
    first, second = path.read_bytes().splitlines(keepends=True)
    assert first == exact + tail % newer
    assert second == b'{"id":2,"created_at":1,"n":12345678901234567890123' + tail % newer


def test_a_snapshot_that_changes_while_it_is_updated_is_left_alone(path: Path) -> None:
    take(Listed([T]), path)
    with (
        closing(EarlierSnapshot(path)) as earlier,
        PartialSnapshot(path, ACCOUNT, updated_since=earlier.updated_since) as partial,
    ):
        partial.begin(T + 200)
        other = write(path, {**ADA, "id": 77}).read_bytes()
        with pytest.raises(SnapshotError, match="was changed meanwhile"):
            earlier.merge(partial)
    assert path.read_bytes() == other
    assert [each.name for each in path.parent.iterdir()] == [path.name]


# Reading and finding.


def test_what_a_snapshot_says_of_itself(path: Path) -> None:
    with SnapshotReader.open(str(write(path, ADA, {**ADA, "id": 2, "as_of": T + 7}))) as snapshot:
        assert (len(snapshot), snapshot.account, snapshot.as_of) == (2, ACCOUNT, T + 7)


@pytest.fixture
def household(path: Path) -> Path:
    """Ada and Byron share a phone; Ada has it longer."""
    shared = {"phone_number": " +44 1 ", "properties": {"plan": "pro", "seats_amount": 3}}
    byron = {"id": 2, "created_at": T, "email": "byron@example.com", "external_id": "u-2"}
    carol = {"id": 3, "created_at": T, "email": " Carol@Example.com "}
    phone_alone = {"id": 4, "created_at": T, "phone_number": "+44 4"}
    return write(path, {**byron, **shared}, {**ADA, **shared}, carol, phone_alone)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (EndUserUpsert(wootric_id="2"), 2),
        (EndUserUpsert(wootric_id="2", external_id="u-1"), 2),
        (EndUserUpsert(wootric_id="77", external_id="u-1"), 1),
        (EndUserUpsert(wootric_id="../2", email="ada@example.com"), 1),
        (EndUserUpsert(wootric_id="9" * 30, email="ada@example.com"), 1),
        (EndUserUpsert(external_id="u-1"), 1),
        (EndUserUpsert(external_id="u-1", email="byron@example.com"), 1),
        (EndUserUpsert(external_id="U-1"), None),
        (EndUserUpsert(external_id="u-1 "), None),
        (EndUserUpsert(external_id="u-9", email="byron@example.com"), 2),
        (EndUserUpsert(email=" ADA@example.COM\n"), 1),
        (EndUserUpsert(email="carol@example.com"), 3),
        (EndUserUpsert(email="dora@example.com"), None),
        (EndUserUpsert(email="dora@example.com", phone_number="+44 1"), None),
        (EndUserUpsert(phone_number="+44 1"), 1),
        (EndUserUpsert(phone_number=" +44 1"), 1),
        (EndUserUpsert(external_id="u-9", phone_number="+44 1"), None),
        (EndUserUpsert(phone_number="+44 2"), None),
        (EndUserUpsert(phone_number="+44 4"), 4),
        (EndUserUpsert(external_id="u-9", phone_number="+44 4"), 4),
        (EndUserUpsert(email="dora@example.com", phone_number="+44 4"), None),
        (EndUserUpsert(email="", external_id="", phone_number=""), None),
        (EndUserUpsert(), None),
    ],
)
def test_who_is_found(household: Path, wanted: EndUserUpsert, found: int | None) -> None:
    with SnapshotReader.open(household) as snapshot:
        held = snapshot.find(wanted)
    assert (held and held.id) == found


def test_a_found_end_user_is_as_the_client_would_tell(household: Path) -> None:
    with SnapshotReader.open(household) as snapshot:
        held = snapshot.find(EndUserUpsert(external_id="u-1"))
    assert held
    assert (held.email, held.external_id, held.phone_number) == (
        "Ada@Example.com",
        "u-1",
        " +44 1 ",
    )
    assert held.external_created_at is None
    assert held.properties == {"plan": "pro", "seats_amount": "3"}


@pytest.mark.parametrize(("told", "is_known"), [("{plan=>pro}", False), ('{"plan":"pro"}', True)])
def test_properties_told_as_text_are_known_only_where_it_can_be_read(
    path: Path, told: str, is_known: bool
) -> None:
    with SnapshotReader.open(write(path, ADA | {"properties": told})) as snapshot:
        held = snapshot.find(EndUserUpsert(email="ada@example.com"))
    assert held is not None
    assert held.knows_properties is is_known
    assert held.properties == ({"plan": "pro"} if is_known else {})


def test_the_later_line_of_an_end_user_counts(path: Path) -> None:
    write(path, ADA, {**ADA, "email": "new@example.com"})
    with SnapshotReader.open(path) as snapshot:
        assert len(snapshot) == 1
        assert snapshot.find(EndUserUpsert(email="ada@example.com")) is None
        assert snapshot.find(EndUserUpsert(email="new@example.com"))


def test_gzip_a_byte_order_mark_and_other_line_ends_are_taken(path: Path) -> None:
    content = (
        b"\xef\xbb\xbf" + line(ADA).replace(b"\n", b"\r\n\r\n") + line({**ADA, "id": 2}).strip()
    )
    for each in (content, gzip.compress(content)):
        path.write_bytes(each)
        with SnapshotReader.open(path) as snapshot:
            assert len(snapshot) == 2


def test_several_threads_may_look_at_once(path: Path) -> None:
    write(path, *({**ADA, "id": n, "external_id": str(n)} for n in range(1, 501)))
    with SnapshotReader.open(path) as snapshot, ThreadPoolExecutor(8) as threads:
        wanted = [EndUserUpsert(external_id=str(n)) for n in range(1, 501)] * 4
        found = list(threads.map(snapshot.find, wanted))
    assert [held and str(held.id) for held in found] == [each.external_id for each in wanted]


NO_LINE = "no end user with an account and an as_of"


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (b"hello\n", ":2: it is no JSON"),
        (line(ADA)[:-9], ":2: the line is cut off"),
        (line(ADA)[:-9] + b"\n", ":2: it is no JSON"),
        (b"[1]\n", ":2: it is no end user"),
        (b"[" * 100_000 + b"\n", ":2: it is no JSON"),
        (orjson.dumps(ADA) + b"\n", f":2: it is {NO_LINE}"),
        (line(ADA | {"account": "NPS-5a4db0c5"}), f":2: it is {NO_LINE}"),
        (line(ADA | {"as_of": None}), f":2: it is {NO_LINE}"),
        (line(ADA | {"as_of": True}), f":2: it is {NO_LINE}"),
        (line(ADA | {"as_of": -1}), f":2: it is {NO_LINE}"),
        (line(ADA | {"account": OTHER}), ":2: it is of another account"),
        (line(ADA | {"id": None}), ":2: it is no end user: its id"),
        (line(ADA | {"created_at": None}), ":2: it is no end user: its created_at"),
        (line(ADA | {"properties": [1]}), ":2: it is no end user"),
        (line(ADA | {"external_created_at": "x"}), ":2: it is no end user"),
    ],
)
def test_a_line_that_is_wrong_is_named(path: Path, bad: bytes, words: str) -> None:
    write(path, ADA, bad)
    with pytest.raises(SnapshotError) as error:
        SnapshotReader.open(path)
    assert f"{path}{words}" in str(error.value)
    assert "wootric-replay snapshot -o FILE" in str(error.value)


@pytest.mark.parametrize("cut", [1, 9, 60])
def test_a_gzip_file_that_broke_off_is_told(path: Path, cut: int) -> None:
    rows = ({**ADA, "id": number} for number in range(1, 5000))
    compressed = gzip.compress(b"".join(map(line, rows)))
    path.write_bytes(compressed[:-cut])
    with pytest.raises(SnapshotError, match="broke off or is corrupt"):
        SnapshotReader.open(path)


def test_a_missing_file_a_folder_and_an_endless_line_are_told(path: Path) -> None:
    with pytest.raises(SnapshotError, match="can't be read: No such file"):
        SnapshotReader.open(path)
    with pytest.raises(SnapshotError, match="can't be read: Is a directory"):
        SnapshotReader.open(path.parent)
    write(path, ADA, {**ADA, "x": "x" * (64 * 1024 * 1024)})
    with pytest.raises(SnapshotError, match=":2: the line is cut off or too long"):
        SnapshotReader.open(path)


def test_a_part_of_a_snapshot_is_not_taken_for_a_whole_one(path: Path) -> None:
    take(Listed([T] * 120), path, pages=1)
    partial = path.with_name(path.name + ".partial")
    openings: Iterable[Callable[[Path], object]] = (SnapshotReader.open, EarlierSnapshot)
    for opening in openings:
        with pytest.raises(SnapshotError, match="again"):
            opening(partial)


def test_what_an_end_user_tells_by_a_snapshots_own_names_is_not_kept(path: Path) -> None:
    account = Listed([T] * 3)
    account.rows[0] |= {"account": "x", "as_of": 1, "snapshot_updated_since": 5}
    take(account, path, pages=1)
    take(account, path)
    assert lines(path)[0] == {"id": 1, "created_at": T, "email": "u1@example.com", **AS_OF}
