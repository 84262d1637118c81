"""What an earlier run left of an end user in Wootric, as fingerprints: a journal holds no personal data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal, NamedTuple, Protocol, Self, TypeAlias

from wootric_map.calls import EndUserUpsert, comparable, property_field
from wootric_map.properties import PropertyValue


class Delivered(NamedTuple):
    """An earlier run has made a delivery."""

    run: int
    """Its number: later runs have greater ones."""


Fate: TypeAlias = Delivered | Literal["in_doubt"]
"""What an earlier run has done about a delivery."""

Prints: TypeAlias = Mapping[bytes, bytes]
"""The fingerprint of each value under that of its field."""

_FIELD: Final = 4
"""Bytes that stand for a field. If two fields of one end user should share them, the later one alone is
known, and the other is sent again."""
_VALUE: Final = 8
"""Bytes that stand for a field and its value."""
_IDENTITY: Final = 16


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """Turns what is sent into fingerprints; another secret gives others."""

    secret: bytes

    def of(self, wanted: EndUserUpsert) -> Prints:
        """The fingerprints of all fields that have a value."""
        return {self.field(name): self.value(name, value) for name, value in wanted.fields()}

    def field(self, name: str) -> bytes:
        """The fingerprint of a field's name."""
        return blake2b(name.encode(), digest_size=_FIELD, key=self.secret).digest()

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


@dataclass(frozen=True, slots=True)
class Known:
    """An end user of whom an earlier run knows what it left in Wootric."""

    id: int
    """Wootric's own."""
    fields: Prints
    fingerprints: Fingerprints

    def holds(self, field: str, value: str | int) -> bool:
        """Whether a field was left with this value."""
        found = self.fields.get(self.fingerprints.field(field))
        return found is not None and found == self.fingerprints.value(field, str(value))

    def holds_property(self, name: str, value: PropertyValue) -> bool:
        """The same of a property."""
        return self.holds(property_field(name), value)

    def written(self, changes: EndUserUpsert) -> Self:
        """What is known once these fields were written too."""
        return type(self)(
            self.id, {**self.fields, **self.fingerprints.of(changes)}, self.fingerprints
        )


class Memory(Protocol):
    """What earlier runs did, as a journal tells it."""

    def fate(self, key: str, former_key: str | None = None) -> Fate | None:
        """What an earlier run has done about a delivery; None where it is still to be made."""

    def find(self, wanted: EndUserUpsert) -> Known | None:
        """An end user whom an earlier run left in Wootric."""


def packed(fields: Prints) -> bytes:
    """Fingerprints in one piece, for a database."""
    return b"".join(field + value for field, value in fields.items())


def unpacked(piece: bytes) -> dict[bytes, bytes]:
    """The fingerprints that `packed` put together."""
    size = _FIELD + _VALUE
    pieces: Iterable[bytes] = (piece[at : at + size] for at in range(0, len(piece), size))
    return {each[:_FIELD]: each[_FIELD:] for each in pieces}
