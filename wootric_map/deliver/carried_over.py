"""What the events of an end user need to know of the end user's writes, kept until the events' turn."""

import marshal
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from wootric_map.model import EndUser, Failure
from wootric_map.plan.folding import Folded
from wootric_map.plan.steps import Part
from wootric_map.temporary_database import scratch_database

_SCHEMA: Final = "CREATE TABLE carried_over (number INTEGER PRIMARY KEY, packed BLOB NOT NULL)"
_CACHE_KIB: Final = 1024


@dataclass(frozen=True, slots=True)
class CarriedOver:
    """What is known of an end user after the writes, where that decides about the end user's events."""

    refused: Failure | None = None
    """Why the last write of the end user failed; None if it did not."""
    held: EndUser | None = None
    """The end user as the account holds them; None if that is not known, or nobody was found."""
    is_taken: bool = False
    """Whether somebody else has the external id of the end user."""
    asked: int = 0
    """Who has been asked about the end user, as a number of `decisions`; 0 if nobody has."""
    is_new: bool = False
    """Whether this run has created the end user."""

    def matters(self, folded: Folded | None, *, has_surveys: bool) -> bool:
        """Return whether events would be decided otherwise without this.

        Args:
            folded: what the export says about the end user; None if it holds no identify of theirs.
            has_surveys: whether survey responses or declines are among the events, which need to know who
                the end user is.
        """
        if (
            has_surveys
            or folded is None
            or not folded.upsert.email
            or self.refused is not None
            or self.is_taken
        ):
            return self != NOTHING_CARRIED_OVER
        return self.held is not None and _adds(self.held, folded)

    def packed(self) -> bytes:
        """Return this as bytes for `unpacked`, with the code and message of `refused` and the language alone.

        Events carry no other property of the end user.
        """
        held = self.held
        language = held.properties.get("language") if held else None
        fields: tuple[int, str | None, str | None, str | None, int | None] | None = None
        if held:
            fields = (
                held.id,
                held.email,
                held.external_id,
                held.phone_number,
                held.external_created_at,
            )
        refused = (self.refused.code, self.refused.message) if self.refused else None
        return marshal.dumps((refused, fields, language, self.is_taken, self.asked, self.is_new))


NOTHING_CARRIED_OVER: Final = CarriedOver()
"""What is known of an end user before the first step."""


def unpacked(packed: bytes) -> CarriedOver:
    """Return what `CarriedOver.packed` made bytes of."""
    refused, fields, language, is_taken, asked, is_new = marshal.loads(packed)  # noqa: S302 - our own
    held = None
    if fields:
        number, email, external_id, phone, created_at = fields
        properties = {"language": language} if language else {}
        held = EndUser(number, email, external_id, phone, created_at, properties)
    return CarriedOver(Failure(*refused) if refused else None, held, is_taken, asked, is_new)


def _adds(held: EndUser, folded: Folded) -> bool:
    """Return whether `enrich` may take anything from the account, of an end user whose email is stated.

    Args:
        held: the end user in the account.
        folded: what the export says about the end user.
    """
    upsert = folded.upsert
    return bool(
        (held.external_id and not upsert.external_id)
        or (held.phone_number and not upsert.phone_number)
        or (held.external_created_at is not None and upsert.external_created_at is None)
        or (held.properties.get("language") and any(not each.language for each in folded.states))
    )


class CarriedOverFile:
    """Keeps what is carried over, by the end user's number, in a temporary file that nobody else can read.

    May be used from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._database = scratch_database(_SCHEMA, cache_kib=_CACHE_KIB)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        with self._lock:
            self._database.close()

    def keep(self, number: int, carried: CarriedOver) -> None:
        """Keep what is carried over of an end user."""
        with self._lock:
            self._database.execute(
                "INSERT OR REPLACE INTO carried_over VALUES (?, ?)", (number, carried.packed())
            )

    def before(self, part: Part, number: int) -> CarriedOver:
        """Return what is known of an end user before a part of the steps: of the events, what was kept."""
        if part != "events":
            return NOTHING_CARRIED_OVER
        with self._lock:
            row = self._database.execute(
                "SELECT packed FROM carried_over WHERE number = ?", (number,)
            ).fetchone()
        return unpacked(row[0]) if row else NOTHING_CARRIED_OVER
