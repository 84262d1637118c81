"""Spoil a generated export as real ones are: a share of its records with each of the known troubles.

Example: python tests/benchmarks/generate.py | python tests/benchmarks/troubles.py --percent 1 > export.ndjson
"""

import argparse
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeAlias

import orjson

Record: TypeAlias = dict[str, Any]
Trouble: TypeAlias = Callable[[Record, random.Random], Record]

_BOM: Final = b"\xef\xbb\xbf"
_HUGE: Final = str(2**70).encode()
"""A number that the writer of JSON does not take."""


def _fields(record: Record) -> str:
    """The name of the object that holds what the record says."""
    return "traits" if record["type"] == "identify" else "properties"


def _with(field: str, value: object) -> Trouble:
    """A record with another value in a field of its own."""
    return lambda record, _: record | {field: value}


def _said(name: str, value: object) -> Trouble:
    """A record that says something else under a name in its traits or properties."""

    def spoil(record: Record, _: random.Random) -> Record:
        fields = _fields(record)
        return record | {fields: {**record.get(fields, {}), name: value}}

    return spoil


def _context(name: str, value: object) -> Trouble:
    return lambda record, _: record | {"context": {**record["context"], name: value}}


def _agent(record: Record, chance: random.Random) -> Record:
    """An agent of the help desk is identified with a customer's email."""
    return record | {"userId": f"agent-{chance.randrange(20)}"}


def _help_desk(record: Record, chance: random.Random) -> Record:
    """A member of the help desk is identified with its email."""
    return _said("email", f"help-{chance.randrange(20)}@example.com")(record, chance)


def _used_again(record: Record, chance: random.Random) -> Record:
    """The messageIds begin anew in each file."""
    return record | {"messageId": str(chance.randrange(10_000))}


def _kiosk(record: Record, chance: random.Random) -> Record:
    """One device is aliased to many users."""
    if "userId" not in record:
        return record
    return record | {"type": "alias", "previousId": f"kiosk-{chance.randrange(50)}"}


def _zone_written_out(record: Record, _: random.Random) -> Record:
    return record | {"timestamp": record["timestamp"].replace("T", " ").replace("Z", " UTC")}


def _wrong_clock(record: Record, _: random.Random) -> Record:
    return record | {"timestamp": f"2034{record['timestamp'][4:]}"}


def _as_text(record: Record, _: random.Random) -> Record:
    """A warehouse has turned the objects into text."""
    fields = _fields(record)
    return record | {fields: orjson.dumps(record.get(fields, {})).decode()}


def _rudder(record: Record, _: random.Random) -> Record:
    """An identify's traits stand in its context."""
    rest = {name: value for name, value in record.items() if name != "traits"}
    return rest | {"context": {**record["context"], "traits": record.get("traits", {})}}


TROUBLES: Final[tuple[Trouble, ...]] = (
    _agent,
    _help_desk,
    _used_again,
    _kiosk,
    _zone_written_out,
    _wrong_clock,
    _as_text,
    _rudder,
    _with("userId", "undefined"),
    _with("integrations", {"InMoment": "false"}),
    _with("integrations", []),
    _context("consent", {"categoryPreferences": {"analytics": True, "advertising": False}}),
    _context("consent", {"destinationPreferences": {"Wootric": False}}),
    _said("email", "Ada <ada@example.com>"),
    _said("email", "n/a"),
    _said("phone", "call me"),
    _said("createdAt", "0001-01-01T00:00:00Z"),
    _said("renewal_date", "soon"),
    _said("tags", ["a", "b"]),
    _said("account_no", "HUGE"),
)


def spoilt(lines: Iterable[bytes], percent: float, seed: int) -> Iterator[bytes]:
    """Spoil so many of a hundred lines by each trouble; as many are joined, or begin with a mark.

    Args:
        lines: of an export, with their endings.
        percent: the share of each trouble.
        seed: the same gives the same.

    Yields:
        The lines.
    """
    chance = random.Random(seed)
    share = percent / 100
    for line in lines:
        which = int(chance.random() / share) if share else len(TROUBLES) + 2
        if which < len(TROUBLES):
            record = TROUBLES[which](orjson.loads(line), chance)
            written = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
            yield written.replace(b'"HUGE"', _HUGE)
        elif which == len(TROUBLES):
            yield line.rstrip(b"\n") + b","  # the next record follows on the same line
        elif which == len(TROUBLES) + 1:
            yield _BOM + line
        else:
            yield line


def main() -> None:
    """Spoil what comes in."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--percent", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for line in spoilt(sys.stdin.buffer, options.percent, options.seed):
        sys.stdout.buffer.write(line)


if __name__ == "__main__":
    main()
