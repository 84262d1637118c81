"""The journal: what has been delivered to an account, and what was under way, in SQLite.

It outlives the run. A call is on record before it is sent and when it was answered, so that after a
crash no more is in doubt than what was truly under way. Of end users it holds fingerprints, and what
they are looked up by only while a write about them has no answer. With each stands when their traits were
said last, and by which identify, so that an older file undoes nothing (segment.md 8, rule 7), and which
userIds and emails they had before.
"""

import os
import sqlite3
import stat
import tempfile
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from itertools import islice
from math import inf, isfinite
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from wootric_map.deliver.fingerprints import (
    Delivered,
    Fate,
    Fingerprints,
    Known,
    Prints,
    Provenance,
    Remembered,
    merged_sayings,
    packed,
    short,
    unpacked,
    unpacked_sayings,
)
from wootric_map.deliver.journal_watch import COMPANIONS, WAL, Watch, Witness
from wootric_map.errors import (
    JournalError,
    JournalFailedError,
    NotOursError,
    StoppedError,
)
from wootric_map.mapping.identity import WOOTRIC_ID
from wootric_map.model import CALLS, Action, EndUser, EndUserUpsert, LookUpKey
from wootric_map.ownership import check_is_ours, open_ours, place_of_ours
from wootric_map.plan.earlier_rejects import GONE_THROUGH, KnownRejects, fingerprint
from wootric_map.plan.people import EMAIL, PREFIXES, USER
from wootric_map.plan.tie_graph import Tie, is_empty, neighbours, reached, ties

_BEGINNING: Final = b"SQLite format 3\0"
_APPLICATION: Final = int.from_bytes(b"WRjl")
"""Tells a journal from other SQLite files."""

_KEY: Final = 16
_SECRET: Final = 32
_NONCE: Final = 16
_FRAMES: Final = 1_000
"""Frames of the log from which on it is written back to the database, as SQLite does by itself."""
_PATIENCE: Final = 30.0
"""Seconds that SQLite waits for whoever else has the file open."""

_A_DAY: Final = 86_400.0
"""Seconds. A clock that is wrong by more is not believed (segment.md 5, `future_timestamp`)."""

_KIND_NAMES: Final[Mapping[str, LookUpKey]] = {
    PREFIXES[USER]: "external_id",
    PREFIXES[EMAIL]: "email",
}
"""What end users are looked up by, by the prefix of an id's name."""

_CLAIMS_AT_ONCE: Final = 50_000

_FINISHED: Final = (0, 1)
"""Exit codes of runs that came to their end."""

IN_USE: Final = (
    "another run writes to the journal too, as happens where the file of a lock is deleted while a run is "
    "at work"
)
"""Why a journal that one run at a time may have is locked all the same."""

_SOON: Final = 0.01
"""Seconds in which the next call to leave may take along to the disk what nobody waits for."""

MIGRATIONS: Final = (
    """
    CREATE TABLE account (account TEXT NOT NULL, secret BLOB NOT NULL);
    CREATE TABLE run (
        number INTEGER PRIMARY KEY, began REAL NOT NULL, ended REAL, exit_code INTEGER
    );
    CREATE TABLE delivered (key BLOB PRIMARY KEY, kind INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE in_flight (
        key BLOB PRIMARY KEY, kind INTEGER NOT NULL, run INTEGER NOT NULL,
        wootric_id TEXT, external_id TEXT, email TEXT, phone TEXT, fields BLOB
    ) WITHOUT ROWID;
    CREATE TABLE end_user (
        id INTEGER PRIMARY KEY, external_id BLOB, email BLOB, phone BLOB, fields BLOB NOT NULL
    );
    CREATE INDEX by_external_id ON end_user (external_id) WHERE external_id IS NOT NULL;
    CREATE INDEX by_email ON end_user (email) WHERE email IS NOT NULL;
    CREATE INDEX by_phone ON end_user (phone) WHERE phone IS NOT NULL;
    """,
    """
    CREATE TABLE failed (key BLOB PRIMARY KEY, kind INTEGER NOT NULL) WITHOUT ROWID;
    ALTER TABLE run ADD COLUMN created INTEGER;
    ALTER TABLE run ADD COLUMN updated INTEGER;
    ALTER TABLE run ADD COLUMN unchanged INTEGER;
    ALTER TABLE run ADD COLUMN eligibility_checks INTEGER;
    ALTER TABLE run ADD COLUMN page_views INTEGER;
    ALTER TABLE run ADD COLUMN failed INTEGER;
    """,
    """
    ALTER TABLE delivered ADD COLUMN run INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE end_user ADD COLUMN met REAL;
    """,
    """
    ALTER TABLE end_user ADD COLUMN said BLOB;
    ALTER TABLE end_user ADD COLUMN run INTEGER;
    ALTER TABLE in_flight ADD COLUMN said BLOB;
    ALTER TABLE in_flight ADD COLUMN ids BLOB;
    CREATE TABLE reject (
        record BLOB PRIMARY KEY, crc INTEGER NOT NULL, state INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE former_id (name BLOB PRIMARY KEY, end_user INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE claim (
        user INTEGER NOT NULL, email INTEGER NOT NULL, ties INTEGER NOT NULL,
        PRIMARY KEY (user, email)
    ) WITHOUT ROWID;
    CREATE INDEX claim_by_email ON claim (email);
    ALTER TABLE account ADD COLUMN silent_until INTEGER NOT NULL DEFAULT 0;
    UPDATE account SET silent_until = (SELECT coalesce(max(number), 0) FROM run);
    """,
    """
    CREATE TABLE pace (endpoint TEXT PRIMARY KEY, per_minute REAL) WITHOUT ROWID;
    ALTER TABLE account ADD COLUMN token_fingerprint TEXT;
    ALTER TABLE account ADD COLUMN base_url TEXT;
    """,
    """
    CREATE TABLE witness (nonce BLOB NOT NULL);
    """,
    """
    CREATE TABLE tie (
        one INTEGER NOT NULL, other INTEGER NOT NULL, PRIMARY KEY (one, other)
    ) WITHOUT ROWID;
    CREATE INDEX tie_by_other ON tie (other);
    CREATE TABLE alias (
        previous INTEGER NOT NULL, user INTEGER NOT NULL, PRIMARY KEY (previous, user)
    ) WITHOUT ROWID;
    CREATE INDEX alias_by_user ON alias (user);
    """,
)
"""What brings a journal from each version of its form to the next, the first from nothing."""

_FORMS: Final[Mapping[str, str]] = {
    "account": "typeof(account) = 'text' AND typeof(secret) = 'blob' AND length(secret) BETWEEN 1 AND 64 "
    "AND typeof(silent_until) = 'integer' AND typeof(token_fingerprint) IN ('text', 'null') "
    "AND typeof(base_url) IN ('text', 'null')",
    "run": "typeof(began) = 'real' AND typeof(ended) IN ('real', 'null')",
    "delivered": "typeof(key) = 'blob' AND typeof(kind) = 'integer' AND typeof(run) = 'integer'",
    "failed": "typeof(key) = 'blob' AND typeof(kind) = 'integer'",
    "in_flight": "typeof(key) = 'blob' AND typeof(kind) = 'integer' AND typeof(run) = 'integer' "
    "AND typeof(wootric_id) IN ('text', 'null') AND typeof(external_id) IN ('text', 'null') "
    "AND typeof(email) IN ('text', 'null') AND typeof(phone) IN ('text', 'null') "
    "AND (typeof(fields) = 'blob' OR kind > 0 AND fields IS NULL) AND typeof(said) IN ('blob', 'null') "
    "AND typeof(ids) IN ('blob', 'null')",
    "end_user": "typeof(external_id) IN ('blob', 'null') AND typeof(email) IN ('blob', 'null') "
    "AND typeof(phone) IN ('blob', 'null') AND typeof(fields) = 'blob' "
    "AND typeof(met) IN ('real', 'null') AND typeof(said) IN ('blob', 'null') "
    "AND typeof(run) IN ('integer', 'null')",
    "former_id": "typeof(name) = 'blob' AND typeof(end_user) = 'integer'",
    "tie": "typeof(one) = 'integer' AND typeof(other) = 'integer'",
    "alias": "typeof(previous) = 'integer' AND typeof(user) = 'integer'",
    "pace": "typeof(endpoint) = 'text' "
    "AND (per_minute IS NULL OR typeof(per_minute) = 'real' AND per_minute > 0)",
}
"""What holds of every row of a table: SQLite takes any value in any column, and finds nothing wrong there."""

NOWHERE: Final = Provenance()
"""Of a write of which nobody knows when it was said."""

WRITE: Final = 0
ELIGIBILITY_CHECK: Final = 1
PAGE_VIEW: Final = 2
KINDS: Final = ("write", "eligibility_check", "page_view")
"""What is delivered, each in the place of its number."""

_MARK: Final = len(KINDS)
"""Of what stands among the deliveries, and is none that counts."""

_KIND_OF: Final[Mapping[Action, int]] = {
    "create": WRITE,
    "update": WRITE,
    "unchanged": WRITE,
    "left": WRITE,
    "eligibility_check": ELIGIBILITY_CHECK,
    "page_view": PAGE_VIEW,
}


class Doubt(NamedTuple):
    """A write that an earlier run sent, and whose answer it did not see."""

    key: bytes
    wanted: EndUserUpsert
    """What its end user is looked up by."""
    fields: Prints
    """The fingerprints of what Wootric holds if it has arrived."""
    provenance: Provenance
    """When that was said, and of whom."""


class Run(NamedTuple):
    """A push as the journal remembers it."""

    number: int
    began: float
    """Unix time."""
    ended: float | None
    """Unix time; None where it was killed, or is still under way."""
    exit_code: int | None
    created: int | None
    updated: int | None
    unchanged: int | None
    eligibility_checks: int | None
    page_views: int | None
    failed: int | None


@dataclass(frozen=True, slots=True)
class Contents:
    """What a journal holds."""

    account: str
    """As `journal_account` gives it."""
    runs: tuple[Run, ...]
    """The last ones, the latest first."""
    end_users: int
    """End users of Wootric's that were met."""
    delivered: Mapping[str, int]
    """How many deliveries of each of `KINDS` were made."""
    in_doubt: Mapping[str, int]
    """How many were sent, and not answered."""
    failed: Mapping[str, int]
    """How many failed when they were last tried."""
    limits: Mapping[str, float | None]
    """The limits that replies have told last, in calls a minute by endpoint; None where there is none."""
    token_fingerprint: str | None
    """As `account_fingerprint` gives it of the account's token; None where no run has told it yet."""
    base_url: str | None
    """As `base_url_of` gives it."""


class Journal:
    """An account's journal, open for one run; may be used from several threads."""

    def __init__(
        self,
        database: sqlite3.Connection,
        name: str,
        clock: Callable[[], float],
        *,
        recalls: bool = True,
        resends: bool = False,
        since: float | None = None,
        watch: Watch | None = None,
    ) -> None:
        self._database = database
        self._watch = watch
        self._name = name
        self._clock = clock
        self._recalls = recalls
        self._since = since
        self.resends: Final = resends
        """Whether what is in doubt is sent again."""
        self._lock = threading.Lock()
        self._commit_lock = threading.Lock()
        self._note_lock = threading.Lock()
        self._notes: deque[Callable[[], object]] = deque()
        # How many notes there were, how many of them were written down, and are on the disk.
        self._noted = self._written = self._durable = 0
        self._news = threading.Event()
        self._closed = threading.Event()
        self._failure: str | None = None
        self._loss: str | None = None
        """What somebody did to its file, though it can still be written."""
        self._is_first: bool | None = None
        """Whether no run before has tied any ids; None until this one does."""
        self._shared: Mapping[int, int] | None = None
        self._retried: set[bytes] = set()
        self._through: set[bytes] = set()
        # Runs up to then were an earlier release's, which did not note when anything was said.
        query = "SELECT secret, silent_until FROM account"
        secret, self._silent_until = database.execute(query).fetchone()
        self.fingerprints: Final = Fingerprints(secret)
        (self._run,) = database.execute(
            "INSERT INTO run (began) VALUES (?) RETURNING number", (clock(),)
        ).fetchone()
        (self._doubts, self._failures, remembers, met) = database.execute(
            "SELECT (SELECT count(*) FROM in_flight), EXISTS (SELECT 1 FROM failed), "
            "EXISTS (SELECT 1 FROM delivered), EXISTS (SELECT 1 FROM end_user)"
        ).fetchone()
        self.remembers: Final = recalls and bool(self._doubts or remembers or met)
        """Whether there is anything to ask it of earlier runs."""
        self.met_anybody: Final = bool(self._doubts or met)
        """Whether earlier runs met any end user, or may have; told also where it ignores what they did."""
        database.execute("BEGIN")
        self._committer = threading.Thread(target=self._commit_news, name="journal", daemon=True)
        self._committer.start()

    @classmethod
    def open(
        cls,
        path: Path,
        account: str,
        *,
        recalls: bool = True,
        resends: bool = False,
        since: float | None = None,
        token_fingerprint: str | None = None,
        base_url: str | None = None,
        clock: Callable[[], float] = time.time,
        random: Callable[[int], bytes] = os.urandom,
    ) -> Self:
        """Open an account's journal, made if there is none.

        Args:
            path: its place; only its owner may read the file. A link of one's own is followed.
            account: which account it is about, as `journal_account` gives it.
            recalls: whether it tells what earlier runs did; it writes down what this one does either way.
            resends: whether eligibility checks and page views that are in doubt are sent again.
            since: whom no run has met since then, in unix time, is not known: a snapshot knows better.
            token_fingerprint, base_url: what the journal is found by later, as in `Contents`.
            clock: the unix time.
            random: so many random bytes.

        Raises:
            JournalError: the file is no journal, another account's, of a newer release, or another user's.
            JournalFailedError: it can't be written to.
        """
        try:
            path = place_of_ours(path)
            identity = _make_private(path)
        except NotOursError as error:
            raise JournalError(str(error)) from error
        except OSError as error:
            raise JournalFailedError(f"{path} can't be written: {error.strerror}") from error
        except sqlite3.Error as error:
            raise JournalError(_spoilt(path, error)) from error
        database = _connected(path)
        watch: Watch | None = None
        try:
            _migrate(database, path, account, random)
            _check_whole(database, path)
            query = "UPDATE account SET token_fingerprint = coalesce(?, token_fingerprint), base_url = ?"
            database.execute(query, (token_fingerprint, base_url))
            watch = _watched(path, identity, _witness(database, random(_NONCE)))
            return cls(
                database,
                str(path),
                clock,
                recalls=recalls,
                resends=resends,
                since=since,
                watch=watch,
            )
        except BaseException as error:
            database.close()
            if watch:
                watch.close()
            if isinstance(error, sqlite3.OperationalError):
                raise JournalFailedError(f"{path} can't be written: {_reason(error)}") from error
            if isinstance(error, sqlite3.Error):
                raise JournalError(_spoilt(path, error)) from error
            raise

    @classmethod
    @contextmanager
    def copied(
        cls, path: Path, account: str | None = None, *, since: float | None = None
    ) -> Iterator[Self]:
        """Open a copy of a journal, whether a run has it open or not; what it is told goes with the copy.

        Args:
            path: the journal, which stays as it is.
            account: which account it should be about; None where any will do.
            since: as in `open`.

        Raises:
            JournalError: there is none, or it is another account's or user's, or it can't be read.
        """
        _check_is_there(path)
        database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        try:
            with closing(_connected(path)) as original:
                _check_is_one(original, path)
                original.backup(database)
            _migrate(database, path, account or _account_of(database), os.urandom)
            _check_whole(database, path)
            journal = cls(database, str(path), time.time, since=since)
        except sqlite3.Error as error:
            database.close()
            raise JournalError(_spoilt(path, error)) from error
        except BaseException:
            database.close()
            raise
        with journal:
            yield journal

    @classmethod
    def temporary(
        cls, *, clock: Callable[[], float] = time.time, random: Callable[[int], bytes] = os.urandom
    ) -> Self:
        """A journal that knows nothing, and is gone when it is closed."""
        database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        _migrate(database, Path("temporary"), "", random)
        return cls(database, "temporary", clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What earlier runs did.

    def fate(self, key: str, former_key: str | None = None, time: int | None = None) -> Fate | None:
        """Return what an earlier run has done about a delivery; None where it is still to be made.

        Args:
            key: what tells the delivery from every other.
            former_key: what an earlier release, or the rejects file it was mended in, knows it by.
            time: when it happened, in milliseconds since the epoch, if that is known. Several messages may
                share what an earlier release knew them by: it has sent none that happened after it had run.
        """
        if not self._recalls:
            return None
        names = [_key(key)] if former_key is None else [_key(key), _key(former_key)]
        some = ", ".join("?" * len(names))
        with self._lock:
            self._write_down()
            query = f"SELECT key, run FROM delivered WHERE key IN ({some})"  # noqa: S608
            for name, run in self._database.execute(query, names).fetchall():
                if name == names[0] or self._may_have_sent(run, time):
                    return Delivered(run)
            if self._doubts and not self.resends:
                query = f"SELECT key, run FROM in_flight WHERE key IN ({some}) AND run < ?"  # noqa: S608
                for name, run in self._database.execute(query, (*names, self._run)).fetchall():
                    if name == names[0] or self._may_have_sent(run, time):
                        return "in_doubt"
        return None

    def _may_have_sent(self, run: int, time: int | None) -> bool:
        """Return whether a run may have sent what happened then, by a clock that is a day wrong at most."""
        if time is None or run > self._silent_until:
            return True
        query = (
            "SELECT coalesce(ended, (SELECT min(began) FROM run AS later WHERE later.number > run.number)) "
            "FROM run WHERE number = ?"
        )
        found = self._one(query, run)
        return not (found and found[0]) or time / 1000 <= found[0] + _A_DAY

    def find(self, wanted: EndUserUpsert) -> Known | None:
        """Look an end user up among those whom earlier writes left in Wootric.

        By the same ids as Wootric does. Whoever is found by email or phone but was never known by this
        external id, and is by another, is somebody else by now, perhaps: only Wootric can tell.
        """
        if not self._recalls:
            return None
        identity = self.fingerprints.identity
        keys: list[tuple[LookUpKey, object]] = [
            ("id", int(value)) if by == "id" else (by, identity(by, value))
            for by, value in wanted.look_up_keys()
            if by != "id" or WOOTRIC_ID.fullmatch(value)
        ]
        if not keys:
            return None
        # All in one query, since each waits for whatever is being brought to disk.
        query = " UNION ALL ".join(
            f"SELECT {nth}, id, fields, external_id, email, met FROM end_user "  # noqa: S608
            f"WHERE {_COLUMNS[by]} = ?"
            for nth, (by, _) in enumerate(keys)
        )
        with self._lock:
            self._write_down()
            rows = self._database.execute(
                f"{query} ORDER BY 1, 2", [value for _, value in keys]
            ).fetchall()
        owner = next((row[1] for row in rows if keys[row[0]][0] == "email"), None)
        is_taken = False
        for row in rows:
            by = keys[row[0]][0]
            # Of two end users, who are one person by now, the one with the email is who they are.
            is_former = owner not in (None, row[1]) and row[4] is not None
            if by != "external_id" or not (is_former or self._is_anothers(row[4], wanted)):
                break
            is_taken = True
        else:
            return None
        _, number, fields, external_id, email, met = row
        if self._since is not None and (met or 0.0) < self._since:
            return None
        if by == "phone_number" and (email or external_id):
            return None
        other = identity("external_id", wanted.external_id)
        if by == "email" and external_id and other and external_id != other:
            query = "SELECT 1 FROM former_id WHERE name = ? AND end_user = ?"
            with self._lock:
                is_theirs = self._one(query, other, number)
            if not (is_theirs or (is_taken and self._are_tied(other, external_id))):
                return None
        return Known(number, unpacked(fields), self.fingerprints, is_taken)

    def _is_anothers(self, email: bytes | None, wanted: EndUserUpsert) -> bool:
        """Return whether an email makes an end user who was found by a userId somebody else.

        Args:
            email: the fingerprint of the email of whoever was found.
            wanted: who was looked for.
        """
        ids = self.fingerprints.ids((wanted,))
        if email is None or email in ids["email"]:
            return False
        ours = map(short, ids["external_id"] + ids["email"])
        return self._is_shared(email) or self._are_apart(ours, short(email), is_told=True)

    def heard(self, number: int) -> Remembered | None:
        """What earlier writes said of an end user of Wootric's; None where that is not known.

        Told also where it ignores what earlier runs did: what an older file says undoes nothing, however
        often it is sent.
        """
        with self._lock:
            self._write_down()
            found = self._one("SELECT said, external_id FROM end_user WHERE id = ?", number)
        if not (found and found[0]):
            return None
        try:
            statements = unpacked_sayings(found[0])
        except ValueError as error:
            raise JournalFailedError(_spoilt(Path(self._name), error)) from error
        if self._is_shared(found[1]):
            # Whoever said that it is theirs, it is nobody's.
            mine = self.fingerprints.field("external_id")
            says = {name: say for name, say in statements.by_name.items() if name != mine}
            statements = replace(statements, by_name=says)
        return Remembered(statements, self.fingerprints)

    def recollect(
        self, known_as: Sequence[EndUserUpsert], elsewhere: Sequence[int] = (), *, alone: bool
    ) -> Known | None:
        """Return an end user whom an earlier run left, and who had one of these userIds or emails before.

        Nobody whom anything contradicts: who has another userId or another email than all of these, or
        whom only an id tied to these that has proved to be several people's, or who was written by this
        run, which holds them apart.

        Args:
            known_as: what an end user is known by whom nobody was found by: first what they have now.
            elsewhere: the fingerprints of ids that are theirs by what identifies of earlier runs claimed.
            alone: whether Wootric was not asked, so that whoever has the email now is not found yet.
        """
        ids = self.fingerprints.ids(known_as)
        names = [each for each in ids["external_id"] + ids["email"] if not self._is_shared(each)]
        if not ((names or elsewhere) and self.met_anybody):
            return None
        columns = "id, fields, end_user.external_id, end_user.email, met, run"
        some = ", ".join("?" * len(names))
        email = self.fingerprints.identity("email", known_as[0].email) if alone else None
        others = set(elsewhere)
        ours = {*map(short, names), *others}
        with self._lock:
            self._write_down()
            owner = self._one(f"SELECT {columns} FROM end_user WHERE email = ?", email)  # noqa: S608
            query = (
                f"SELECT former_id.name, {columns} FROM former_id JOIN end_user ON end_user = id "  # noqa: S608
                f"WHERE former_id.name IN ({some}) AND NOT EXISTS (SELECT 1 FROM end_user AS other "
                "WHERE other.external_id = former_id.name OR other.email = former_id.name)"
            )
            rows = self._database.execute(query, names).fetchall()
            query = (
                f"SELECT NULL, {columns} FROM end_user WHERE external_id BETWEEN ?1 AND ?2 "  # noqa: S608
                f"UNION SELECT NULL, {columns} FROM end_user WHERE email BETWEEN ?1 AND ?2"
            )
            for shortened in elsewhere:
                rows += self._database.execute(query, _prints_of(shortened)).fetchall()
        theirs: dict[int, set[bytes]] = {}
        candidates = [owner] if owner else []
        for name, *row in sorted(
            rows, key=lambda row: (row[0] is None, row[0] and names.index(row[0]))
        ):
            number, _, external_id, email, _, run = row
            theirs.setdefault(number, {external_id, email}).add(name)
            if run != self._run and not self._is_shared(email):
                candidates.append(tuple(row))
        for each in candidates:
            number, fields, external_id, email, met, _ = each
            if self._since is not None and (met or 0.0) < self._since:
                continue
            if each is owner or (
                (external_id or email)
                and not self._are_apart(ours, short(email or external_id))
                and not (
                    external_id
                    and short(external_id) not in others
                    and _is_another(ids["external_id"], theirs[number])
                )
                and not (
                    email
                    and short(email) not in others
                    and _is_another(ids["email"], theirs[number])
                )
            ):
                return Known(number, unpacked(fields) if self._recalls else {}, self.fingerprints)
        return None

    def doubtful_writes(self) -> list[Doubt]:
        """The writes that earlier runs sent, and whose answers they did not see."""
        query = (
            "SELECT key, wootric_id, external_id, email, phone, fields, said, ids FROM in_flight "
            "WHERE kind = ? AND run < ?"
        )
        with self._lock:
            self._write_down()
            found = self._database.execute(query, (WRITE, self._run)).fetchall()
        return [
            Doubt(
                key,
                EndUserUpsert(
                    wootric_id=wootric_id, external_id=external_id, email=email, phone_number=phone
                ),
                unpacked(fields),
                Provenance(said or b"", ids or b""),
            )
            for key, wootric_id, external_id, email, phone, fields, said, ids in found
        ]

    # Records that were rejected or refused.

    def known_rejects(self) -> KnownRejects | None:
        """Return the records that earlier runs rejected or saw refused; None where there are none."""
        with self._lock:
            self._write_down()
            query = "SELECT record, crc, state FROM reject WHERE state <> ?"
            rows = self._database.execute(query, (GONE_THROUGH,)).fetchall()
        if not rows:
            return None
        return KnownRejects(
            self.fingerprints.secret,
            {record: state for record, _, state in rows},
            frozenset(crc for _, crc, _ in rows),
        )

    def reject(self, raw: bytes, state: int) -> None:
        """Put on record what became of a record.

        Args:
            raw: its line.
            state: `REJECTED` or `REFUSED`.
        """
        if raw:
            record = fingerprint(raw, self.fingerprints.secret)
            self._retried.discard(record)
            query = "INSERT OR REPLACE INTO reject VALUES (?, ?, ?)"
            self._note(query, (record, zlib.crc32(raw), state))

    def retry(self, fingerprints: Iterable[bytes]) -> None:
        """Take note of records that are tried once more."""
        self._retried.update(fingerprints)

    @property
    def retries(self) -> bool:
        """Whether any record is tried once more."""
        return bool(self._retried)

    def through(self, raw: bytes) -> None:
        """Take note that a record has gone through, if it was tried once more."""
        record = fingerprint(raw, self.fingerprints.secret)
        if record in self._retried:
            self._through.add(record)

    def not_through(self, raw: bytes) -> None:
        """Take note that a record did not go through, for now."""
        if self._retried:
            self._retried.discard(fingerprint(raw, self.fingerprints.secret))

    def end_retries(self) -> None:
        """Put on record that what was tried once more went through, now that all has been done."""
        for record in self._retried & self._through:
            query = "UPDATE reject SET state = ? WHERE record = ?"
            self._note(query, (GONE_THROUGH, record))
        self._retried.clear()

    def went_through(self, raw: bytes) -> bool:
        """Return whether a record that was rejected or refused is known to have gone through since."""
        record = fingerprint(raw, self.fingerprints.secret)
        with self._lock:
            self._write_down()
            found = self._one("SELECT state FROM reject WHERE record = ?", record)
        return found == (GONE_THROUGH,)

    # What the identifies of all runs claim: the journal is the `identities.Evidence`.

    def fingerprint(self, name: str) -> int:
        """Return the fingerprint of an id by its name: the same in every run on this journal."""
        found = self.fingerprints.identity(_KIND_NAMES[name[:2]], name[2:])
        return 0 if found is None else short(found)

    def add_claims(self, claims: Iterable[tuple[int, int]], *, ties: bool) -> None:
        """Add pairs of the fingerprints of a `userId` and an email that an identify has together.

        Args:
            claims: the pairs.
            ties: whether they tie, or only count to tell ids of several people.
        """
        self._add_edges(
            f"INSERT INTO claim VALUES (?, ?, {int(ties)}) "  # noqa: S608
            "ON CONFLICT DO UPDATE SET ties = 1 WHERE excluded.ties > claim.ties",
            claims,
        )
        self._shared = None

    def add_ties(self, ties: Iterable[tuple[int, int]]) -> None:
        """Add pairs of the fingerprints of a `userId` and an email that a track or page record has together.

        Args:
            ties: the pairs; those that an identify has, too, are known once its claims are added.
        """
        self._add_edges(
            "INSERT OR IGNORE INTO tie SELECT ?1, ?2 WHERE NOT EXISTS "
            "(SELECT 1 FROM claim WHERE user = ?1 AND email = ?2 AND ties)",
            ties,
        )

    def add_aliases(self, aliases: Iterable[tuple[int, int]]) -> None:
        """Add pairs of the fingerprints of a `previousId` and a `userId` that it is aliased to."""
        self._add_edges("INSERT OR IGNORE INTO alias VALUES (?, ?)", aliases)

    def _add_edges(self, query: str, pairs: Iterable[tuple[int, int]]) -> None:
        """Add pairs of fingerprints to what ties ids."""
        coming = iter(pairs)
        while batch := sorted(islice(coming, _CLAIMS_AT_ONCE)):
            with self._lock:
                self._write_down()
                if self._is_first is None:
                    self._is_first = is_empty(self._database)
                self._database.executemany(query, batch)

    def several_people(self) -> Mapping[int, int]:
        """Return the ids that several people carry, each with the number of ids that it was seen with.

        Which these are: segment.md 8, rules 2 and 3, over the identifies of all runs.
        """
        with self._lock:
            self._write_down()
            shared = dict(self._database.execute(_SEVERAL_PEOPLE).fetchall())
        self._shared = shared
        return shared

    def several_aliased(self) -> Mapping[int, int]:
        """Return each `previousId` that is aliased to several `userId`s, with the number of these."""
        query = "SELECT previous, count(*) FROM alias GROUP BY previous HAVING count(*) > 1"
        with self._lock:
            self._write_down()
            return dict(self._database.execute(query).fetchall())

    def beside_several(self) -> Collection[int]:
        """Return the ids that a record of any run has together with one that several people carry."""
        several = self._several
        with self._lock:
            return {far for _, far in neighbours(self._database, several)}

    def carries_several(self, name: str) -> bool:
        """Return whether several people carry an id, by its name."""
        return self.fingerprint(name) in self._several

    def are_apart(self, ours: Iterable[str], theirs: str) -> bool:
        """Return whether an id is another person's, though an id of several people once tied it to others.

        Args:
            ours: the names of one person's ids.
            theirs: the name of the id.
        """
        if not self._several:
            return False
        return self._are_apart(map(self.fingerprint, ours), self.fingerprint(theirs), is_told=True)

    def _are_apart(self, ours: Iterable[int], theirs: int, *, is_told: bool = False) -> bool:
        """Return whether all that may ever have tied an id to others is one that several people carry.

        Args:
            ours: the fingerprints of one person's ids.
            theirs: the fingerprint of the id.
            is_told: whether that takes a record that tells whose the id is.
        """
        several = self._several
        if not several:
            return False
        with self._lock:
            self._write_down()
            own = reached(self._database, ours, several)
            if theirs in own.ids:
                return False
            other = reached(self._database, (theirs,), several)
        if is_told and len(other.ids) == 1 and not other.touches_several:
            return False
        return own.touches_several or other.touches_several

    def _are_tied(self, one: bytes, other: bytes) -> bool:
        """Return whether records of any run tie two ids, by their fingerprints."""
        several = self._several
        with self._lock:
            return short(other) in reached(self._database, (short(one),), several).ids

    def ties(self, own: Sequence[int]) -> Iterator[Tie]:
        """Yield the ties of all runs that lead from these ids to others, as `tie_graph.ties` does.

        Args:
            own: the fingerprints of the ids of this run, each at the place of its number; 0 of an id that
                is to be left out.
        """
        several = self._several
        with self._lock:
            self._write_down()
            is_first, self._is_first = self._is_first, None
            if not is_first:  # else it is all of this run
                yield from ties(self._database, own, several)

    @property
    def _several(self) -> Mapping[int, int]:
        """What `several_people` returns, asked once."""
        return self.several_people() if self._shared is None else self._shared

    def _is_shared(self, identity: bytes | None) -> bool:
        """Return whether several people carry a userId or an email, by its fingerprint."""
        return identity is not None and short(identity) in self._several

    # What this run does.

    def depart(
        self,
        key: str,
        action: Action,
        wanted: EndUserUpsert | None = None,
        fields: Prints | None = None,
        provenance: Provenance = NOWHERE,
    ) -> None:
        """Put on record that something is about to be sent; returns once the disk has it.

        Args:
            key: what tells the delivery from every other.
            action: what it is.
            wanted: of a write, all that its end user is to hold.
            fields: the fingerprints of that, where they are known already.
            provenance: when that was said, and of whom.

        Raises:
            JournalFailedError: it can't be put on record, so it must not be sent.
            StoppedError: the journal is closed.
        """
        about: tuple[object, ...] = (None,) * 7
        if wanted is not None:
            about = (
                wanted.wootric_id, wanted.external_id, wanted.email, wanted.phone_number,
                packed(fields or self.fingerprints.of(wanted)), *provenance,
            )  # fmt: skip
        reached = self._note(
            "INSERT INTO in_flight "
            "(key, kind, run, wootric_id, external_id, email, phone, fields, said, ids) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (_key(key), _KIND_OF[action], self._run, *about),
        )
        self._commit(reached)
        if self._durable < reached and self._closed.is_set():
            raise StoppedError
        if self.failure:
            self.returned(key)  # it is not in doubt: it was not sent
            raise JournalFailedError(self.failure)

    def returned(self, key: str) -> None:
        """Put on record that it has not been taken; what was in doubt before stays so."""
        query = "DELETE FROM in_flight WHERE key = ? AND run = ?"
        self._note(query, (_key(key), self._run))

    def delivered(self, key: str, action: Action, former_key: str | None = None) -> None:
        """Put on record that an eligibility check or page view was taken; arguments as in `fate`."""
        former = _key(former_key) if former_key else None
        self._note_down(partial(self._taken, _key(key), _KIND_OF[action], former))

    def written(
        self,
        key: str,
        number: int,
        wanted: EndUserUpsert,
        fields: Prints | None = None,
        provenance: Provenance = NOWHERE,
        *,
        is_written: bool = True,
    ) -> None:
        """Put on record that Wootric holds an end user as wanted.

        Args:
            key: what tells the write from every other.
            number: Wootric's own id of the end user.
            wanted: all that was asked for, whether it had to be sent or not.
            fields: the fingerprints of that, where they are known already.
            provenance: when that was said, and of whom; of what later identifies left out, too.
            is_written: whether this run counts as the one that wrote them.
        """
        if fields is None:
            fields = self.fingerprints.of(wanted)
        run = self._run if is_written else None
        self._settle(_key(key), number, wanted, fields, provenance, run)

    def met(self, number: int) -> bool:
        """Return whether any run, this one too, has met an end user of Wootric's since the snapshot."""
        with self._lock:
            self._write_down()
            found = self._one("SELECT met FROM end_user WHERE id = ?", number)
        return found is not None and (self._since is None or (found[0] or 0.0) >= self._since)

    def begin(self, key: str) -> None:
        """Put on record that an end user is about to be created of whom more is to be written.

        Args:
            key: what a run is to know that by which goes on where this one stops, as `fate` tells.
        """
        query = "INSERT OR REPLACE INTO delivered VALUES (?, ?, ?)"
        self._note(query, (_key(key), _MARK, self._run))

    def end(self, key: str) -> None:
        """Put on record that all of that was done; argument as in `begin`."""
        self._note("DELETE FROM delivered WHERE key = ?", (_key(key),))

    def is_silent(self, fate: Fate | None) -> bool:
        """Whether an earlier release made a delivery, which did not note when anything was said."""
        return isinstance(fate, Delivered) and fate.run <= self._silent_until

    def learn(self, key: str, wanted: EndUserUpsert, provenance: Provenance) -> None:
        """Put on record when that was said what an earlier release has written of an end user.

        Args:
            key: what tells the write from every other.
            wanted: what they are looked up by.
            provenance: when their traits were said.
        """
        known = self.find(wanted)
        if known:
            self._note_down(partial(self._learn, _key(key), known.id, provenance.said))

    def _learn(self, key: bytes, number: int, said: bytes) -> None:
        found = self._one("SELECT said FROM end_user WHERE id = ?", number)
        execute = self._database.execute
        query = "UPDATE end_user SET said = ? WHERE id = ?"
        execute(query, (merged_sayings(said, found[0] or b"") if found else said, number))
        execute("UPDATE delivered SET run = ? WHERE key = ?", (self._run, key))

    def failed(self, key: str, action: Action, wanted: EndUserUpsert | None = None) -> None:
        """Put on record that a delivery failed, for now.

        Args:
            key: what tells the delivery from every other.
            action: what it is.
            wanted: of a write, whom it is about: the next that they take makes up for it, be it mended
                or folded with more.
        """
        self._failures = True
        name = next(self._names(wanted), None) if wanted else None
        query = "INSERT OR REPLACE INTO failed VALUES (?, ?)"
        self._note(query, (name or _key(key), _KIND_OF[action]))

    def settle(self, doubt: Doubt, held: EndUser | None) -> bool:
        """Settle what became of a write of an earlier run, given what Wootric holds.

        Returns:
            Whether it had arrived; else it is forgotten, and so still to be made.
        """
        if held is None or not self._arrived(doubt, held):
            self._note("DELETE FROM in_flight WHERE key = ?", (doubt.key,))
            return False
        self._settle(doubt.key, held.id, doubt.wanted, doubt.fields, doubt.provenance, 0)
        return True

    def doubts(self) -> int:
        """How many deliveries are under way or in doubt, by what the disk has."""
        self._commit(self._noted)
        with self._lock:
            (count,) = self._database.execute("SELECT count(*) FROM in_flight").fetchone()
        return int(count)

    @property
    def knows_until(self) -> float | None:
        """Until when earlier runs met end users, in unix time; None where they met none.

        A run that was killed was over when the next one began.
        """
        query = (
            "SELECT max(coalesce(ended, "
            "(SELECT min(began) FROM run AS later WHERE later.number > run.number))) "
            "FROM run WHERE number < ? AND EXISTS (SELECT 1 FROM end_user)"
        )
        with self._lock:
            self._write_down()
            (until,) = self._database.execute(query, (self._run,)).fetchone()
        return None if until is None else float(until)

    @property
    def knows_anybody(self) -> bool:
        """Whether earlier runs met any end user."""
        with self._lock:
            self._write_down()
            return self._one("SELECT 1 FROM end_user LIMIT 1") is not None

    def begin_anew(self) -> None:
        """Forget what earlier runs did."""
        for table in (
            "delivered", "in_flight", "failed", "end_user", "former_id", "claim", "tie", "alias", "reject",
            "pace",
        ):  # fmt: skip
            self._note(f"DELETE FROM {table}", ())  # noqa: S608

    def limits(self) -> dict[str, float]:
        """Return the limits that earlier runs were told, in calls a minute; infinite where there is none."""
        with self._lock:
            self._write_down()
            rows = self._database.execute("SELECT endpoint, per_minute FROM pace").fetchall()
        return {endpoint: inf if limit is None else limit for endpoint, limit in rows}

    def note_limits(self, limits: Mapping[str, float]) -> None:
        """Put on record what limits replies have told; arguments as `limits` returns them."""
        for endpoint, limit in limits.items():
            query = "INSERT OR REPLACE INTO pace VALUES (?, ?)"
            self._note(query, (endpoint, limit if isfinite(limit) else None))

    def end_run(self, exit_code: int, done: Mapping[str, int], failed: int) -> None:
        """Put on record how the run ended.

        Args:
            exit_code: the process's.
            done: how many of each action were done.
            failed: how many records failed.
        """
        counts = (*(done.get(action, 0) for action in (*CALLS[:2], "unchanged", *CALLS[2:])),)
        self._note(
            "UPDATE run SET ended = ?, exit_code = ?, created = ?, updated = ?, unchanged = ?, "
            "eligibility_checks = ?, page_views = ?, failed = ? WHERE number = ?",
            (self._clock(), exit_code, *counts, failed, self._run),
        )

    def close(self) -> None:
        """Write down what is left, and close the file; whatever comes later is not taken any more."""
        with self._commit_lock, self._lock:
            if self._closed.is_set():
                return
            self._bring_to_disk()
            self._closed.set()
            with suppress(sqlite3.Error):
                # What is torn must not get worse.
                self._database.execute("ROLLBACK" if self._failure else "COMMIT")
            self._end_watch()
        self._news.set()
        self._committer.join()

    @property
    def failure(self) -> str | None:
        """Why it can't be written any more, or is not what the next run finds; None where all is well."""
        return self._failure or self._loss

    def _arrived(self, doubt: Doubt, held: EndUser) -> bool:
        """Whether an end user holds all that a write would have left."""
        have = self.fingerprints.of(
            EndUserUpsert(
                held.email,
                held.external_id,
                held.phone_number,
                held.external_created_at,
                held.properties,
            )
        )
        return all(have.get(field) == value for field, value in doubt.fields.items())

    def _settle(
        self,
        key: bytes,
        number: int,
        wanted: EndUserUpsert,
        fields: Prints,
        provenance: Provenance,
        run: int | None,
    ) -> None:
        identity = self.fingerprints.identity
        external_id = identity("external_id", wanted.external_id)
        email = identity("email", wanted.email)
        phone = identity("phone_number", wanted.phone_number)
        ids = (number, external_id, email, phone)
        name, met = identity("id", str(number)), self._clock()
        self._note_down(partial(self._arrive, key, name, ids, fields, provenance, met, run))

    def _arrive(
        self,
        key: bytes,
        name: bytes | None,
        ids: tuple[int, bytes | None, bytes | None, bytes | None],
        fields: Prints,
        provenance: Provenance,
        met: float,
        run: int | None,
    ) -> None:
        """Write down that Wootric holds an end user."""
        number, external_id, email, phone = ids
        known_as: dict[bytes | None, None] = dict.fromkeys(provenance.each_id())
        self._done(key, WRITE, name, external_id, email, phone, *known_as)
        execute = self._database.execute
        query = (
            "SELECT id, fields, said, external_id, email FROM end_user "
            "WHERE id = ? OR external_id = ? OR email = ?"
        )
        before: Prints = {}
        said = provenance.said
        now: tuple[bytes | None, bytes | None] = (external_id, email)
        for other, held, heard, *was in execute(query, (number, external_id, email)).fetchall():
            if other == number:
                before, said = unpacked(held), merged_sayings(heard or b"", said)
                known_as |= dict.fromkeys(was)
                now = (external_id or was[0], email or was[1])
            else:
                # Both are unique in an account (wootric.md 3): whoever had one has it no more. What they
                # have instead, only Wootric can tell; when their traits were said stays true.
                execute(
                    "UPDATE end_user SET external_id = NULL, email = NULL, phone = NULL, fields = x'' "
                    "WHERE id = ?",
                    (other,),
                )
        execute(
            "INSERT INTO end_user (id, external_id, email, phone, fields, met, said, run) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "external_id = coalesce(excluded.external_id, external_id), "
            "email = coalesce(excluded.email, email), "
            "phone = coalesce(excluded.phone, phone), fields = excluded.fields, "
            "met = excluded.met, said = excluded.said, run = coalesce(excluded.run, run)",
            (
                number,
                external_id,
                email,
                phone,
                packed({**before, **fields}),
                met,
                said or None,
                run,
            ),
        )
        for each in known_as:
            if each is not None and each not in now:
                execute("INSERT OR REPLACE INTO former_id VALUES (?, ?)", (each, number))

    def _names(self, wanted: EndUserUpsert) -> Iterator[bytes]:
        """The fingerprints of all that an end user is known by, the surest first."""
        for by, value in (
            ("id", wanted.wootric_id),
            ("external_id", wanted.external_id),
            ("email", wanted.email),
            ("phone_number", wanted.phone_number),
        ):
            name = self.fingerprints.identity(by, value)
            if name:
                yield name

    def _taken(self, key: bytes, kind: int, former: bytes | None) -> None:
        """Write down that an eligibility check or page view was taken."""
        self._done(key, kind)
        if former is None or not (self._failures or self._doubts):
            return
        execute = self._database.execute
        undone = execute("DELETE FROM in_flight WHERE key = ?", (former,)).rowcount
        undone += execute("DELETE FROM failed WHERE key = ?", (former,)).rowcount
        if undone:
            # It was tried by that key before: this makes up for it.
            execute("INSERT OR REPLACE INTO delivered VALUES (?, ?, ?)", (former, kind, self._run))

    def _done(self, key: bytes, kind: int, *names: bytes | None) -> None:
        """Write down that a delivery was made, which makes up for those that failed by any name."""
        execute = self._database.execute
        execute("DELETE FROM in_flight WHERE key = ?", (key,))
        if self._failures:
            some = ", ".join("?" * (1 + len(names)))
            execute(f"DELETE FROM failed WHERE key IN ({some})", (key, *names))  # noqa: S608
        execute("INSERT OR REPLACE INTO delivered VALUES (?, ?, ?)", (key, kind, self._run))

    def _one(self, query: str, *values: object) -> tuple[Any, ...] | None:
        found: tuple[Any, ...] | None = self._database.execute(query, values).fetchone()
        return found

    def _note(self, query: str, values: tuple[object, ...]) -> int:
        return self._note_down(partial(self._database.execute, query, values))

    def _note_down(self, write: Callable[[], object]) -> int:
        """Have something written down with the next commit; gives how many such notes there were.

        Nobody waits here, while others wait for the disk: one of them takes it along.
        """
        with self._note_lock:
            self._notes.append(write)
            self._noted += 1
            noted = self._noted
        self._news.set()
        return noted

    def _write_down(self) -> None:
        """Write down what was noted, in that order; what can't be is known by `failure`."""
        while self._notes:
            write = self._notes.popleft()
            if not self._failure:
                try:
                    write()
                except (sqlite3.Error, ValueError, OverflowError) as error:
                    self._fail(error)
            self._written += 1

    def _commit(self, reached: int) -> None:
        """Bring to disk what was noted by then, for all threads that wait for that at once."""
        with self._commit_lock:
            if self._durable < reached:
                with self._lock:
                    self._bring_to_disk()

    def _bring_to_disk(self) -> None:
        if self._closed.is_set():
            return
        self._look()
        self._write_down()
        if self._failure:
            return
        try:
            self._database.execute("COMMIT")
            # What leaves now must be on record in the file that the next run finds.
            self._look()
            self._write_back()
            self._database.execute("BEGIN")
        except sqlite3.Error as error:
            self._fail(error)
        else:
            self._durable = self._written

    def _write_back(self) -> None:
        """Write a log that has grown long back to the database; what can't be written stays in the log."""
        watch = self._watch
        if watch and watch.frames >= _FRAMES and not self.failure:
            with suppress(sqlite3.OperationalError):
                _checkpoint(self._database)
            watch.take_note()

    def _look(self) -> None:
        """Find out whether somebody has taken the file away, or has written to it."""
        if self._watch is None or self._failure or self._loss:
            return
        try:
            found = self._watch.look()
        except OSError as error:
            self._fail(error)
            return
        if found:
            path, loss = found
            told = (
                f"{path} {loss.what} while this run kept its journal there; nothing more was sent"
            )
            if loss.is_elsewhere:
                self._loss = told
            else:
                self._failure = f"{told}. {_TORN}"

    def _end_watch(self) -> None:
        """Close the file; where it was taken away, save what it held."""
        watch = self._watch
        found = watch.look_at_the_end() if watch and not self._failure else None
        kept = "The journal is whole: run the same command again"  # SQLite writes it out as it is closed
        copy: Path | Exception | None = None
        if found and found[1].is_elsewhere:
            self._loss = self._loss or f"{self._name} {found[1].what} as this run ended"
            copy = _copied(self._database, Path(self._name))
        if watch:
            watch.leave_alone()
        self._database.close()
        if watch is None:
            return
        if isinstance(copy, Path):
            watch.remove_companions()
            kept = _put_back(copy, Path(self._name))
        elif copy:
            kept = (
                f"It could not be written anew: {getattr(copy, 'strerror', None) or copy}. {_TORN}"
            )
        with watch:
            if self._loss:
                self._loss = f"{self._loss}. {kept}"
            elif not self._failure and (found := watch.look_at_the_end()):
                self._failure = f"{self._name} {found[1].what} as this run ended. {_TORN}"

    def _commit_news(self) -> None:
        """Commit what nobody waits for, unless a call that leaves meanwhile has done it."""
        while not self._closed.is_set():
            self._news.wait()
            self._news.clear()
            noted = self._noted
            self._closed.wait(_SOON)
            self._commit(noted)

    def _fail(self, error: Exception) -> None:
        self._failure = (
            f"the journal can't be written: {_reason(error)} ({self._name}); nothing more was sent. "
            f"{'Wait for its end' if is_in_use(error) else 'Make room'}, then run the same command "
            "again: it goes on where this run stopped"
        )


def is_in_use(error: Exception) -> bool:
    """Return whether SQLite says of a journal that somebody else has it locked."""
    code = getattr(error, "sqlite_errorcode", 0)  # in the last byte stands the kind of error
    return isinstance(error, sqlite3.Error) and (code & 0xFF) == sqlite3.SQLITE_BUSY


def _reason(error: Exception) -> str:
    """Why a journal could not be written."""
    return IN_USE if is_in_use(error) else str(error)


_TORN: Final = (
    "What this run has put on record may be lost: put back a copy of the journal, if there is any, before "
    "the next push; else eligibility checks and page views are sent again"
)


def _copied(database: sqlite3.Connection, path: Path) -> Path | Exception:
    """Write a journal that was taken away while it is open beside its place; gives where, or why not."""
    try:
        descriptor, name = tempfile.mkstemp(
            dir=path.parent, prefix=f"{path.name}.", suffix=".saved"
        )
        os.close(descriptor)
    except OSError as error:
        return error
    try:
        with closing(_connected(Path(name))) as copy:
            database.backup(copy)
    except sqlite3.Error as error:
        Path(name).unlink(missing_ok=True)
        return error
    return Path(name)


def _put_back(copy: Path, path: Path) -> str:
    """Put the copy of a journal in its place, unless something stands there; gives what to say of it."""
    try:
        path.hardlink_to(copy)
    except OSError:
        return (
            f"All that it held is in {copy} now: move that file to {path}, then run the same command again; "
            "without it, eligibility checks and page views are sent again"
        )
    copy.unlink()
    return "It was written anew, with all that it held: run the same command again"


def _prints_of(shortened: int) -> tuple[bytes, bytes]:
    """Return the least and the greatest fingerprint that `short` gives this number of."""
    start = shortened.to_bytes(8, signed=True)
    return start + bytes(8), start + b"\xff" * 8


def _is_another(told: Sequence[bytes], theirs: Collection[bytes]) -> bool:
    """Whether ids of one kind are told, and none of them is theirs."""
    return bool(told) and not any(each in theirs for each in told)


_SEVERAL_PEOPLE: Final = """
    WITH
        shared AS (SELECT email, count(*) AS users FROM claim GROUP BY email HAVING users > 1),
        changing AS (SELECT user, count(*) AS emails FROM claim GROUP BY user HAVING emails > 1)
    SELECT user, emails FROM changing JOIN claim USING (user) JOIN shared USING (email)
    GROUP BY user HAVING count(*) > 1
    UNION ALL
    SELECT email, users FROM shared JOIN claim USING (email) JOIN changing USING (user)
    GROUP BY email HAVING count(*) > 1
"""
"""userIds of which two or more emails have another userId as well; and emails of which two or more userIds
have another email as well."""

_COLUMNS: Final[Mapping[LookUpKey, str]] = {
    "id": "id",
    "external_id": "external_id",
    "email": "email",
    "phone_number": "phone",
}


def contents(path: Path, *, runs: int = 10) -> Contents:
    """What a journal holds, whether a run has it open or not.

    Args:
        path: the journal.
        runs: so many of the last runs.

    Raises:
        JournalError: there is none, or it is another user's, or it can't be read.
    """
    _check_is_there(path)
    try:
        database = _connected(path)
    except sqlite3.Error as error:
        raise JournalError(_spoilt(path, error)) from error
    try:
        _check_is_one(database, path)
        _migrate(database, path, _account_of(database), os.urandom)
        database.execute("BEGIN")
        columns = ", ".join(Run._fields)
        query = f"SELECT {columns} FROM run ORDER BY number DESC LIMIT ?"  # noqa: S608
        last = tuple(Run(*row) for row in database.execute(query, (runs,)))
        (end_users,) = database.execute("SELECT count(*) FROM end_user").fetchone()
        limits = database.execute("SELECT endpoint, per_minute FROM pace ORDER BY endpoint")
        query = "SELECT token_fingerprint, base_url FROM account"
        token_fingerprint, base_url = database.execute(query).fetchone()
        return Contents(
            _account_of(database),
            last,
            end_users,
            delivered=_counts(database, "delivered"),
            in_doubt=_counts(database, "in_flight"),
            failed=_counts(database, "failed"),
            limits=dict(limits),
            token_fingerprint=token_fingerprint,
            base_url=base_url,
        )
    except sqlite3.Error as error:
        raise JournalError(_spoilt(path, error)) from error
    finally:
        database.close()


def _check_is_there(path: Path) -> None:
    """Make sure that there is a journal, of one's own: SQLite may write to what is only read, too."""
    if not path.is_file():
        raise JournalError(f"{path}: there is no such journal")
    try:
        _check_companions(place_of_ours(path))
    except NotOursError as error:
        raise JournalError(str(error)) from error
    except OSError as error:
        raise JournalError(f"{path} can't be read: {error.strerror}") from error


def _check_is_one(database: sqlite3.Connection, path: Path) -> None:
    if not _version(database, path):
        raise JournalError(f"{path} is empty, and no journal yet")


def forget(path: Path) -> None:
    """Delete a journal, once nobody has it open."""
    contents(path, runs=0)  # nothing but a journal is deleted
    for suffix in ("", *COMPANIONS):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def discard_unused(path: Path) -> None:
    """Delete a journal of which nothing but one run is known, and of that no more than that it broke off.

    Args:
        path: the journal; the caller has its lock, and has closed it.
    """
    if not path.is_file():
        return
    with suppress(OSError, sqlite3.Error):
        with closing(_connected(path)) as database:
            is_used = _is_used(database)
        if not is_used:
            forget(path)


def _is_used(database: sqlite3.Connection) -> bool:
    runs = database.execute("SELECT exit_code FROM run").fetchall()
    if len(runs) != 1 or runs[0][0] in _FINISHED:
        return True
    query = (
        "SELECT name FROM sqlite_master "
        "WHERE type = 'table' AND name NOT IN ('account', 'run', 'pace', 'witness')"
    )
    tables = [name for (name,) in database.execute(query)]
    return any(database.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in tables)  # noqa: S608


def _counts(database: sqlite3.Connection, table: str) -> dict[str, int]:
    query = f"SELECT kind, count(*) FROM {table} GROUP BY kind ORDER BY kind"  # noqa: S608
    found = dict(database.execute(query))
    return {name: found.get(kind, 0) for kind, name in enumerate(KINDS)}


def _make_private(path: Path) -> os.stat_result:
    """Make sure that only its owner may read the file; SQLite gives its companions the same rights.

    Nothing is changed of a file that is no journal.

    Returns:
        The file's status.

    Raises:
        JournalError: it is no file, or no journal.
        NotOursError: it, or a companion of its, is somebody else's.
        OSError: it can't be made.
    """
    if path.exists() and not path.is_file():
        raise JournalError(f"{path} is no file; a journal is one")
    if not path.parent.is_dir():
        raise JournalError(f"{path}: the folder {path.parent} is missing")
    _check_companions(path)
    descriptor = open_ours(path, os.O_RDWR | os.O_CREAT)
    try:
        status = os.fstat(descriptor)
        is_new = not status.st_size
        # A change that broke off may have left any beginning; SQLite takes it back.
        is_cut = path.with_name(f"{path.name}-journal").exists()
        if not (is_new or is_cut) and os.pread(descriptor, len(_BEGINNING), 0) != _BEGINNING:
            raise JournalError(_spoilt(path, "file is not a database"))
        if is_new:
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)  # before SQLite opens it, whose locks would go with it
    if is_new:
        return status
    wal = path.with_name(path.name + WAL)
    has_log = wal.exists() and wal.stat().st_size > 0
    # Without a log nobody has it open, and then SQLite is to leave nothing beside it.
    address = f"{path.absolute().as_uri()}?{'mode=ro' if has_log else 'immutable=1'}"
    with (
        suppress(sqlite3.OperationalError),  # which whoever opens it to write meets too
        closing(sqlite3.connect(address, timeout=_PATIENCE, uri=True)) as database,
    ):
        _version(database, path)
    descriptor = open_ours(path, os.O_RDWR)
    try:
        os.fchmod(descriptor, 0o600)
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _check_companions(path: Path) -> None:
    """Make sure that nobody else has put a file there which SQLite would take for the journal's own."""
    for each in COMPANIONS:
        companion = path.with_name(path.name + each)
        try:
            status = companion.lstat()
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(status.st_mode):
            raise JournalError(f"{companion} is no plain file; move or delete it")
        check_is_ours(companion, status)


def _witness(database: sqlite3.Connection, nonce: bytes) -> Witness:
    """Put into a journal what tells it from whatever else is put in its place.

    From then on SQLite writes no log back by itself, so that each change of the database has its reason.
    """
    database.execute("PRAGMA wal_autocheckpoint = 0")
    database.execute("BEGIN IMMEDIATE")
    database.execute("DELETE FROM witness")
    database.execute("INSERT INTO witness VALUES (?)", (nonce,))
    database.execute("COMMIT")
    _checkpoint(database)
    (page,) = database.execute(
        "SELECT rootpage FROM sqlite_master WHERE name = 'witness'"
    ).fetchone()
    (size,) = database.execute("PRAGMA page_size").fetchone()
    return Witness((page - 1) * size, size, nonce)


def _checkpoint(database: sqlite3.Connection) -> None:
    """Write the log back to the database, as far as nobody reads what stands there now."""
    database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _watched(path: Path, identity: os.stat_result, witness: Witness) -> Watch:
    """Look after a journal that was just opened, once it is known to be the file that was looked at."""
    try:
        if not os.path.samestat(identity, path.lstat()):
            raise JournalFailedError(f"{path} was replaced by another file just now; try again")
        _check_companions(path)
        return Watch(path, witness)
    except NotOursError as error:
        raise JournalError(str(error)) from error
    except OSError as error:
        raise JournalFailedError(f"{path} can't be looked at: {error.strerror}") from error


def _connected(path: Path) -> sqlite3.Connection:
    # One connection serves all threads, one at a time.
    return sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)


def _keep_a_log(database: sqlite3.Connection) -> None:
    """Have a journal written ahead; where two set that at once, SQLite waits for neither by itself."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_SOON)
        else:
            return


def _migrate(
    database: sqlite3.Connection, path: Path, account: str, random: Callable[[int], bytes]
) -> None:
    """Bring a journal to the form of this release, and make sure that it is the account's."""
    _version(database, path)  # nothing but a journal is written to
    _keep_a_log(database)
    # What is on record is on the disk, also when the power fails.
    database.execute("PRAGMA synchronous = FULL")
    database.execute("PRAGMA secure_delete = ON")
    while (version := _version(database, path)) < len(MIGRATIONS):
        database.execute("BEGIN IMMEDIATE")
        if _version(database, path) == version:  # else another process has been at it
            for statement in MIGRATIONS[version].split(";"):
                database.execute(statement)
            if version == 0:
                database.execute("INSERT INTO account VALUES (?, ?)", (account, random(_SECRET)))
            database.execute(f"PRAGMA application_id = {_APPLICATION}")
            database.execute(f"PRAGMA user_version = {version + 1}")
        database.execute("COMMIT")
    if _account_of(database) != account:
        raise JournalError(
            f"{path} is another account's journal; name another file with --journal, or check "
            "WOOTRIC_ACCOUNT_TOKEN"
        )


def _check_whole(database: sqlite3.Connection, path: Path) -> None:
    """Make sure that no part of a journal is spoilt, before anything is sent that it may know of."""
    (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
    is_whole = found == "ok" and not any(
        database.execute(f"SELECT 1 FROM {table} WHERE NOT ifnull({form}, 0) LIMIT 1").fetchone()  # noqa: S608
        for table, form in _FORMS.items()
    )
    if not is_whole:
        raise JournalError(_spoilt(path, "parts of it are spoilt"))


def _version(database: sqlite3.Connection, path: Path) -> int:
    """The version of a journal's form; 0 of an empty file."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != _APPLICATION and (version or tables):
        raise JournalError(f"{path} is a database, but no journal; name another file")
    if version > len(MIGRATIONS):
        raise JournalError(
            f"{path} is a journal of version {version}, and this program knows {len(MIGRATIONS)}; "
            "use the release that wrote it, or a newer one"
        )
    return int(version)


def _account_of(database: sqlite3.Connection) -> str:
    row = database.execute("SELECT account FROM account").fetchone()
    return str(row[0]) if row else ""


def _spoilt(path: Path, why: object) -> str:
    return (
        f"{path} can't be used as a journal: {why}. Name another file with --journal; or, if it was one and "
        "is damaged, put a copy of it back, or move it away: a new one is begun then, and eligibility checks "
        "and page views that it knew of are sent again"
    )


def _key(key: str) -> bytes:
    return blake2b(key.encode(errors="surrogatepass"), digest_size=_KEY).digest()
