"""Fingerprints of what runs left of end users in Wootric, so that a journal holds no personal data."""

import struct
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final, Literal, NamedTuple, Protocol, Self, TypeAlias

from wootric_map.model import EndUser, EndUserUpsert, property_field
from wootric_map.plan.trait_history import (
    Group,
    Order,
    Statement,
    Statements,
    TraitHistory,
    grouped,
    merged,
    ungrouped,
)
from wootric_map.values.contact import comparable
from wootric_map.values.json_values import PropertyValue


class Delivered(NamedTuple):
    """An earlier run has made a delivery."""

    run: int
    """The number of the run; later runs have greater numbers."""


PastDelivery: TypeAlias = Delivered | Literal["in_doubt"]
"""What an earlier run has done about a delivery: made it, or sent it and got no answer."""

Prints: TypeAlias = Mapping[bytes, bytes]
"""The fingerprint of each value under that of its field."""

_FIELD: Final = 4
"""Bytes of a field's fingerprint. If two fields of an end user share it, the later one alone is known, and
the other is sent again."""
_VALUE: Final = 8
"""Bytes of the fingerprint of a field with its value."""
_IDENTITY: Final = 16

_CACHEABLE: Final = 64
"""Characters of a name whose fingerprint is cached: a hostile export must not fill the memory."""

_GROUP: Final = struct.Struct(">q?HII")
"""What stands before the names of one identify's statements: the time, whether there is a message id, the
length of the tie, and the numbers of names that count and of other names."""
_LONGEST_TIE: Final = 2**16 - 1


class Provenance(NamedTuple):
    """When the fields of a write were stated, and about which ids."""

    statements: bytes = b""
    """The statements, as `packed_statements` returns them."""
    ids: bytes = b""
    """The fingerprints of the end user's `userId`s and emails, one after the other."""

    def each_id(self) -> Iterator[bytes]:
        """Yield the fingerprints of the ids."""
        return (self.ids[at : at + _IDENTITY] for at in range(0, len(self.ids), _IDENTITY))


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """Makes fingerprints with a secret."""

    secret: bytes

    def of(self, wanted: EndUserUpsert) -> Prints:
        """Return the fingerprints of all fields that have a value."""
        return {self.field(name): self.value(name, value) for name, value in wanted.fields()}

    def field(self, name: str) -> bytes:
        """Return the fingerprint of a field's name."""
        if len(name) <= _CACHEABLE:
            return _cached_field(self.secret, name)
        return _field(self.secret, name)

    def value(self, name: str, value: str) -> bytes:
        """Return the fingerprint of a value in its field; the case of an email does not matter."""
        if name == "email":
            value = comparable(value)
        text = f"{name}\0{value}".encode()
        return blake2b(text, digest_size=_VALUE, key=self.secret).digest()

    def identity(self, name: str, value: str | None) -> bytes | None:
        """Return the fingerprint of an id that end users are looked up by; None if there is no value."""
        if not value:
            return None
        if name == "email":
            value = comparable(value)
        text = f"{name}\0{value}".encode()
        return blake2b(text, digest_size=_IDENTITY, key=self.secret).digest()

    def ids(self, identifiers: Iterable[EndUserUpsert]) -> dict[str, list[bytes]]:
        """Return the fingerprints of the `userId`s and emails of an end user, by kind."""
        found: dict[str, dict[bytes, None]] = {"external_id": {}, "email": {}}
        for each in identifiers:
            for kind, value in (("external_id", each.segment_user_id), ("email", each.email)):
                name = self.identity(kind, value)
                if name:
                    found[kind][name] = None
        return {kind: list(names) for kind, names in found.items()}

    def each_id(self, wanted: EndUserUpsert) -> Iterator[bytes]:
        """Yield the fingerprints of all ids of an end user, the surest first."""
        for by, value in (
            ("id", wanted.wootric_id),
            ("external_id", wanted.segment_user_id),
            ("email", wanted.email),
            ("phone_number", wanted.phone_number),
        ):
            name = self.identity(by, value)
            if name:
                yield name

    def provenance(self, said: TraitHistory, identifiers: Iterable[EndUserUpsert]) -> Provenance:
        """Return what a journal keeps of a write besides the values."""
        says = {self.field(name): say for name, say in said.statements.by_name.items()}
        ids = self.ids(identifiers)
        return Provenance(
            packed_statements(Statements(says, said.statements.unmarked)),
            b"".join([*ids["external_id"], *ids["email"]]),
        )


@dataclass(frozen=True, slots=True)
class RememberedEndUser:
    """An end user as an earlier run left them in Wootric."""

    id: int
    """Wootric's own id."""
    fields: Prints
    fingerprints: Fingerprints
    external_id_is_taken: bool = False
    """Whether somebody else has the external id that was looked up."""

    def holds(self, field: str, value: str | int) -> bool:
        """Return whether a field was left with a value."""
        found = self.fields.get(self.fingerprints.field(field))
        return found is not None and found == self.fingerprints.value(field, str(value))

    def holds_property(self, name: str, value: PropertyValue) -> bool:
        """Return whether a property was left with a value."""
        return self.holds(property_field(name), value)

    def may_lack(self, wanted: EndUserUpsert) -> bool:
        """Return whether a wanted field may be empty in Wootric."""
        return any(self.fingerprints.field(name) not in self.fields for name, _ in wanted.fields())

    def written(self, changes: EndUserUpsert) -> Self:
        """Return the end user after further fields were written."""
        return type(self)(
            self.id,
            {**self.fields, **self.fingerprints.of(changes)},
            self.fingerprints,
            self.external_id_is_taken,
        )


@dataclass(frozen=True, slots=True)
class RememberedFill:
    """The values that runs which were cut short have filled in of an end user."""

    values: frozenset[bytes]
    """The fingerprint of each value in its field."""
    fingerprints: Fingerprints

    def holds(self, field: str, value: str) -> bool:
        """Return whether a field was filled in with a value."""
        return self.fingerprints.value(field, value) in self.values


Held: TypeAlias = EndUser | RememberedEndUser | None
"""An end user as Wootric holds them, or as an earlier run left them; None if there is none."""


@dataclass(frozen=True, slots=True)
class RememberedStatements:
    """What earlier writes stated about an end user."""

    statements: Statements[bytes]
    fingerprints: Fingerprints

    def of(self, name: str) -> Statement | None:
        """Return the last statement under a name."""
        return self.statements.by_name.get(self.fingerprints.field(name))

    @property
    def unmarked(self) -> Mapping[int, Sequence[str]]:
        """By time, the digests of identifies without message ids, in their order."""
        return self.statements.unmarked


class PastOptOut(NamedTuple):
    """That an earlier run has turned surveys off for an end user, or found that they were."""

    number: int | None
    """Wootric's own id of the end user; None if the identify is known, and nobody was looked for."""
    is_told: bool = False
    """Whether a run has told that a trait says otherwise since."""


class Memory(Protocol):
    """What earlier runs did, as a journal remembers it."""

    @property
    def remembers(self) -> bool:
        """Whether the deliveries of earlier runs count, and there are any."""

    @property
    def external_id_since(self) -> float:
        """The first run since which nothing else has given the external ids."""

    @property
    def may_have_end_users(self) -> bool:
        """Whether earlier runs met any end user."""

    def statements_of(self, number: int) -> RememberedStatements | None:
        """Return what earlier writes stated about an end user, by Wootric's id; None if nothing is known."""

    def find_by_former_id(
        self,
        identifiers: Sequence[EndUserUpsert],
        earlier_ids: Sequence[int] = (),
        *,
        journal_only: bool,
    ) -> RememberedEndUser | None:
        """Return an end user who had one of these `userId`s or emails in an earlier run, or None."""

    def past_delivery(
        self, key: str, former_key: str | None = None, time: int | None = None
    ) -> PastDelivery | None:
        """Return what an earlier run has done about a delivery; None if it is still to be made."""

    def filled_in(self, keys: Collection[str]) -> RememberedFill | None:
        """Return the values that deliveries of runs which were cut short have filled in, or None."""

    def find(self, wanted: EndUserUpsert) -> RememberedEndUser | None:
        """Return an end user as an earlier run left them in Wootric; None if none did."""

    def is_anothers(
        self, number: int, identifiers: Iterable[EndUserUpsert], earlier_ids: Collection[int]
    ) -> bool:
        """Return whether earlier runs know an end user of the account, by Wootric's id, as somebody else."""

    def past_opt_out(self, key: str, identifiers: Iterable[EndUserUpsert]) -> PastOptOut | None:
        """Return whether an earlier run has turned surveys off for an end user, or None."""

    def has_turned_off(self, number: int) -> bool:
        """Return whether a run has turned surveys off for an end user, by Wootric's id."""


def short(identity: bytes) -> int:
    """Return the fingerprint of an id, shortened to a number of 64 bits."""
    return int.from_bytes(identity[:8], signed=True)


def packed(fields: Prints) -> bytes:
    """Return fingerprints in one piece, for a database."""
    return b"".join(field + value for field, value in fields.items())


def unpacked(piece: bytes) -> dict[bytes, bytes]:
    """Return the fingerprints that `packed` put together."""
    size = _FIELD + _VALUE
    pieces: Iterable[bytes] = (piece[at : at + size] for at in range(0, len(piece), size))
    return {each[:_FIELD]: each[_FIELD:] for each in pieces}


def packed_statements(statements: Statements[bytes]) -> bytes:
    """Return statements in one piece, for a database."""
    pieces: list[bytes] = []
    for (time, has_message, tie), counting, others in grouped(statements):
        text = tie.encode(errors="surrogatepass")[:_LONGEST_TIE]
        pieces.append(_GROUP.pack(time, has_message, len(text), len(counting), len(others)))
        pieces += [text, *counting, *others]
    return b"".join(pieces)


def unpacked_statements(piece: bytes) -> Statements[bytes]:
    """Return the statements that `packed_statements` put together.

    Raises:
        ValueError: the piece is spoilt.
    """
    try:
        return ungrouped(_groups(piece))
    except (struct.error, UnicodeDecodeError) as error:
        raise ValueError("what was said last is spoilt") from error


def _groups(piece: bytes) -> Iterator[Group[bytes]]:
    at = 0
    while at < len(piece):
        time, has_message, length, counting, others = _GROUP.unpack_from(piece, at)
        begin = at + _GROUP.size
        first = begin + length
        order = Order(time, has_message, piece[begin:first].decode(errors="surrogatepass"))
        at = first + _FIELD * (counting + others)
        if at > len(piece):
            raise ValueError("what was said last is cut short")
        names = [piece[each : each + _FIELD] for each in range(first, at, _FIELD)]
        yield Group(order, names[:counting], names[counting:])


def merged_statements(before: bytes, after: bytes) -> bytes:
    """Merge two packed sets of statements; `after` was pushed later."""
    if not (before and after):
        return before or after
    return packed_statements(merged(unpacked_statements(before), unpacked_statements(after)))


def _field(secret: bytes, name: str) -> bytes:
    return blake2b(name.encode(), digest_size=_FIELD, key=secret).digest()


_cached_field = lru_cache(maxsize=4096)(_field)
