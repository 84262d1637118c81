"""What an earlier run left of an end user in Wootric, as fingerprints: a journal holds no personal data."""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    """Its number: later runs have greater ones."""


PastDelivery: TypeAlias = Delivered | Literal["in_doubt"]
"""What an earlier run has done about a delivery."""

Prints: TypeAlias = Mapping[bytes, bytes]
"""The fingerprint of each value under that of its field."""

_FIELD: Final = 4
"""Bytes that stand for a field. If two fields of one end user should share them, the later one alone is
known, and the other is sent again."""
_VALUE: Final = 8
"""Bytes that stand for a field and its value."""
_IDENTITY: Final = 16

_CACHEABLE: Final = 64
"""Longer names are not kept: a hostile export must not fill the memory with them."""

_GROUP: Final = struct.Struct(">q?HII")
"""What stands before the names that were said at one place in the order of identifies: the time, whether
there is a message id, the length of the tie, how many names count, and how many do not."""
_LONGEST_TIE: Final = 2**16 - 1


class Provenance(NamedTuple):
    """What a journal keeps of a write beside the values: when they were said, and of whom."""

    said: bytes = b""
    """As `packed_sayings` gives it."""
    ids: bytes = b""
    """The fingerprints of the end user's userIds and emails, one behind the other."""

    def each_id(self) -> Iterator[bytes]:
        """Give the fingerprints one by one."""
        return (self.ids[at : at + _IDENTITY] for at in range(0, len(self.ids), _IDENTITY))


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """Turns what is sent into fingerprints; another secret gives others."""

    secret: bytes

    def of(self, wanted: EndUserUpsert) -> Prints:
        """The fingerprints of all fields that have a value."""
        return {self.field(name): self.value(name, value) for name, value in wanted.fields()}

    def field(self, name: str) -> bytes:
        """The fingerprint of a field's name."""
        if len(name) <= _CACHEABLE:
            return _cached_field(self.secret, name)
        return _field(self.secret, name)

    def value(self, name: str, value: str) -> bytes:
        """The fingerprint of a value in its field; of an email in any case the same."""
        if name == "email":
            value = comparable(value)
        text = f"{name}\0{value}".encode()
        return blake2b(text, digest_size=_VALUE, key=self.secret).digest()

    def identity(self, name: str, value: str | None) -> bytes | None:
        """The fingerprint of what an end user is looked up by; None where it is not known."""
        if not value:
            return None
        if name == "email":
            value = comparable(value)
        text = f"{name}\0{value}".encode()
        return blake2b(text, digest_size=_IDENTITY, key=self.secret).digest()

    def ids(self, known_as: Iterable[EndUserUpsert]) -> dict[str, list[bytes]]:
        """The fingerprints of the userIds and emails among what an end user is known by, by their kind."""
        found: dict[str, dict[bytes, None]] = {"external_id": {}, "email": {}}
        for each in known_as:
            for kind, value in (("external_id", each.external_id), ("email", each.email)):
                name = self.identity(kind, value)
                if name:
                    found[kind][name] = None
        return {kind: list(names) for kind, names in found.items()}

    def each_id(self, wanted: EndUserUpsert) -> Iterator[bytes]:
        """Yield the fingerprints of all that an end user is known by, the surest first."""
        for by, value in (
            ("id", wanted.wootric_id),
            ("external_id", wanted.external_id),
            ("email", wanted.email),
            ("phone_number", wanted.phone_number),
        ):
            name = self.identity(by, value)
            if name:
                yield name

    def provenance(self, said: TraitHistory, known_as: Iterable[EndUserUpsert]) -> Provenance:
        """What a journal is to keep of a write beside its values."""
        says = {self.field(name): say for name, say in said.statements.by_name.items()}
        ids = self.ids(known_as)
        return Provenance(
            packed_sayings(Statements(says, said.statements.unmarked)),
            b"".join([*ids["external_id"], *ids["email"]]),
        )


@dataclass(frozen=True, slots=True)
class RememberedEndUser:
    """An end user of whom an earlier run knows what it left in Wootric."""

    id: int
    """Wootric's own."""
    fields: Prints
    fingerprints: Fingerprints
    external_id_is_taken: bool = False
    """Whether somebody else has the external id that they were looked up by."""

    def holds(self, field: str, value: str | int) -> bool:
        """Whether a field was left with this value."""
        found = self.fields.get(self.fingerprints.field(field))
        return found is not None and found == self.fingerprints.value(field, str(value))

    def holds_property(self, name: str, value: PropertyValue) -> bool:
        """Tell whether a property was left with this value."""
        return self.holds(property_field(name), value)

    def may_lack(self, wanted: EndUserUpsert) -> bool:
        """Whether Wootric may hold nothing of a field that is wanted, as far as is known."""
        return any(self.fingerprints.field(name) not in self.fields for name, _ in wanted.fields())

    def written(self, changes: EndUserUpsert) -> Self:
        """What is known once these fields were written too."""
        return type(self)(
            self.id,
            {**self.fields, **self.fingerprints.of(changes)},
            self.fingerprints,
            self.external_id_is_taken,
        )


Held: TypeAlias = EndUser | RememberedEndUser | None
"""An end user as Wootric holds them, or as an earlier run left them; None where nobody is known."""


@dataclass(frozen=True, slots=True)
class RememberedSayings:
    """What earlier writes said of an end user."""

    statements: Statements[bytes]
    fingerprints: Fingerprints

    def of(self, name: str) -> Statement | None:
        """The last that was said under a name."""
        return self.statements.by_name.get(self.fingerprints.field(name))

    @property
    def unmarked(self) -> Mapping[int, Sequence[str]]:
        """What `Statements.unmarked` is."""
        return self.statements.unmarked


class Memory(Protocol):
    """What earlier runs did, as a journal tells it."""

    @property
    def met_anybody(self) -> bool:
        """Whether earlier runs met any end user."""

    def sayings_of(self, number: int) -> RememberedSayings | None:
        """What earlier writes said of an end user of Wootric's, if anything is known of that."""

    def recollect(
        self, known_as: Sequence[EndUserUpsert], elsewhere: Sequence[int] = (), *, alone: bool
    ) -> RememberedEndUser | None:
        """An end user who had one of these userIds or emails before, whom nothing contradicts."""

    def past_delivery(
        self, key: str, former_key: str | None = None, time: int | None = None
    ) -> PastDelivery | None:
        """What an earlier run has done about a delivery; None where it is still to be made."""

    def find(self, wanted: EndUserUpsert) -> RememberedEndUser | None:
        """An end user whom an earlier run left in Wootric."""


def short(identity: bytes) -> int:
    """Shorten the fingerprint of what an end user is looked up by to a number of 64 bits."""
    return int.from_bytes(identity[:8], signed=True)


def packed(fields: Prints) -> bytes:
    """Fingerprints in one piece, for a database."""
    return b"".join(field + value for field, value in fields.items())


def unpacked(piece: bytes) -> dict[bytes, bytes]:
    """The fingerprints that `packed` put together."""
    size = _FIELD + _VALUE
    pieces: Iterable[bytes] = (piece[at : at + size] for at in range(0, len(piece), size))
    return {each[:_FIELD]: each[_FIELD:] for each in pieces}


def packed_sayings(statements: Statements[bytes]) -> bytes:
    """What was said in one piece, for a database: most end users have few identifies that said it last."""
    pieces: list[bytes] = []
    for (time, has_message, tie), counting, others in grouped(statements):
        text = tie.encode(errors="surrogatepass")[:_LONGEST_TIE]
        pieces.append(_GROUP.pack(time, has_message, len(text), len(counting), len(others)))
        pieces += [text, *counting, *others]
    return b"".join(pieces)


def unpacked_sayings(piece: bytes) -> Statements[bytes]:
    """Take apart what `packed_sayings` put together.

    Raises:
        ValueError: it is spoilt.
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


def merged_sayings(before: bytes, after: bytes) -> bytes:
    """What was said last of two pieces, of which the second was pushed last."""
    if not (before and after):
        return before or after
    return packed_sayings(merged(unpacked_sayings(before), unpacked_sayings(after)))


def _field(secret: bytes, name: str) -> bytes:
    return blake2b(name.encode(), digest_size=_FIELD, key=secret).digest()


_cached_field = lru_cache(maxsize=4096)(_field)
