"""A journal with bytes changed in its file, or values in its tables: refused, or asked without a fault."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from wootric_map.deliver.fingerprints import Provenance
from wootric_map.deliver.journal import Journal
from wootric_map.deliver.journal_contents import contents
from wootric_map.errors import JournalError, JournalFailedError
from wootric_map.model import EndUser, EndUserUpsert
from wootric_map.plan.trait_history import Order, Statement, Statements, TraitHistory

_ACCOUNT: Final = "0123456789ab"
_ADA: Final = EndUserUpsert("ada@example.com", "1", "+44 1", 1420099200, {"plan": "pro", "n": 5})
_BOB: Final = EndUserUpsert("bob@example.com", "2")
_NOW: Final = 1_704_067_200.0


def _random(size: int) -> bytes:
    return bytes(range(size))


def _made() -> bytes:
    """A journal with something in every table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal")
        with Journal.open(path, _ACCOUNT, clock=lambda: _NOW, random=_random) as journal:
            said = TraitHistory(Statements({"email": Statement(Order(5, True, "m"), True)}), {})
            provenance = journal.fingerprints.provenance(said, [_ADA, _BOB])
            journal.writes.written("w1", 7, _ADA, provenance=provenance)
            journal.writes.written(
                "w2", 7, EndUserUpsert("new@example.com", "1"), provenance=provenance
            )
            journal.deliveries.about_to_send("w3", "update", _BOB, provenance=provenance)
            journal.deliveries.about_to_send("p1", "page_view")
            journal.deliveries.delivered("p2", "page_view")
            journal.deliveries.failed("e1", "eligibility_check")
            journal.runs.note_limits({"end_users/create": 60.0})
            journal.deliveries.mark_creation("b")
            journal.fills.mark("w2", _BOB)
            journal.runs.end(0, {"create": 1}, 0)
        return path.read_bytes()


_JOURNAL: Final = _made()
_TABLES: Final = {
    "account": ("account", "secret", "silent_until", "token_fingerprint", "base_url"),
    "run": ("began", "ended", "exit_code", "created", "failed"),
    "delivered": ("key", "kind", "run"),
    "in_flight": (
        "key", "kind", "run", "wootric_id", "external_id", "email", "phone", "fields", "said", "ids",
    ),
    "end_user": ("external_id", "email", "phone", "fields", "met", "said", "run"),
    "failed": ("key", "kind"),
    "former_id": ("name", "end_user"),
    "filled": ("key", "fields"),
    "pace": ("endpoint", "per_minute"),
    "witness": ("nonce",),
}  # fmt: skip
_COLUMNS: Final = [(table, column) for table, names in _TABLES.items() for column in names]


def seeds() -> Iterator[bytes]:
    """One value changed in each column, to two types; and some bytes in the file."""
    for column in range(len(_COLUMNS)):
        for kind in (column % 5, (column + 2) % 5):
            yield bytes((1, column, kind, 4)) + b"\x01\x02\xffx"
    for place in (16, 28, 100, 4_096, 8_192, 20_000):
        yield bytes((0,)) + place.to_bytes(3) + bytes((4,)) + b"\x00\xff\x01\x80"
    # SQLite quotes the damaged bytes of a schema in the message of its error.
    yield b"\x00\x00\x86\x00\x00\x86\x00\x07/\x10\xf7\x07/\x11\x00"
    # Damage of an index that SQLite's quick check does not look for.
    yield b"\x00\x00\x00\x01\x00\x1c;?\xff\x01\x80"


def check(data: bytes) -> None:
    """Change the journal as the input says, and ask it everything."""
    with tempfile.TemporaryDirectory(prefix="fuzz-journal-") as folder:
        path = Path(folder, "journal")
        path.write_bytes(_JOURNAL)
        # SQLite may quote damaged bytes that Python can't decode.
        with suppress(sqlite3.Error, UnicodeDecodeError):
            _change(path, data)
        with suppress(JournalError):
            contents(path)
        with suppress(JournalError, JournalFailedError), Journal.copied(path) as copy:
            _ask(copy)
        with (
            suppress(JournalError, JournalFailedError),
            Journal.open(path, _ACCOUNT, clock=lambda: _NOW + 60, random=_random) as journal,
        ):
            _ask(journal)
            _tell(journal)


def _change(path: Path, data: bytes) -> None:
    while len(data) > 4:
        if data[0] % 2:
            table, column = _COLUMNS[data[1] % len(_COLUMNS)]
            size, rest = data[3], data[4:]
            value = _value(data[2] % 5, rest[:size])
            with closing(sqlite3.connect(path)) as database:
                database.execute(f"UPDATE {table} SET {column} = ?", (value,))  # noqa: S608
                database.commit()
        else:
            place = int.from_bytes(data[1:4]) % len(_JOURNAL)
            size, rest = data[4], data[5:]
            changed = bytearray(path.read_bytes())
            changed[place : place + size] = rest[:size]
            path.write_bytes(changed)
        data = rest[size:]


def _value(kind: int, raw: bytes) -> bytes | str | int | float | None:
    number = int.from_bytes(raw[:8], signed=True)
    if kind == 0:
        return raw
    if kind == 1:
        return raw.decode(errors="replace")
    if kind == 2:
        return number
    return float(number) if kind == 3 else None


def _ask(journal: Journal) -> None:
    for key in ("w1", "w3", "p1", "p2", "e1", "b", "none"):
        journal.past_delivery(key, "former", 1_704_067_200_000)
    for wanted in (_ADA, _BOB, EndUserUpsert("new@example.com")):
        journal.find(wanted)
        journal.find_by_former_id([wanted], [5], journal_only=True)
    journal.filled_in(["w2", "none"])
    for number in (7, 8):
        journal.statements_of(number)
        journal.end_users.has_met(number)
    assert all(limit > 0 for limit in journal.runs.limits().values())
    _ = journal.runs.knows_until, journal.end_users.has_any


def _tell(journal: Journal) -> None:
    for doubt in list(journal.deliveries.doubtful_writes()):
        journal.writes.resolve(doubt, EndUser(9, "bob@example.com", "2", None, None, {}))
    journal.deliveries.about_to_send("new", "create", _BOB, provenance=Provenance())
    journal.writes.written("new", 9, _BOB)
    journal.runs.end(0, {"create": 1}, 0)
    assert journal.deliveries.in_doubt() >= 0
