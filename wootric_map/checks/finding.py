"""One finding, as reports of a check show it."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import PurePath
from typing import Final, Literal, TypeAlias

from wootric_map.findings import CountedWarning
from wootric_map.model import Failure, Rejection

Severity: TypeAlias = Literal["error", "warning", "note"]

_DIGEST: Final = 16

_BETWEEN: Final = b"\0"
"""Between the parts of what is hashed; no code holds one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found at one place, or of one key or id at several."""

    code: str
    severity: Severity
    message: str
    source: str
    """The file, as the user named it or it was found; `-` for standard input."""
    line: int
    field: str | None = None
    """The place in the record, such as `traits.plan`; None if the finding is about no single one."""
    count: int = 1
    """How many records or end users it concerns."""
    fingerprint: str | None = None
    """Recognises the finding in another run, whatever the file is called; None if its record is not known."""


def of_record(source: str, line: int, found: Rejection | Failure, digest: bytes) -> Finding:
    """Return the finding about a record.

    Args:
        source: the record's source.
        line: the record's line.
        found: what is wrong.
        digest: the digest of the record, as `digest_of` returns it.
    """
    field = found.field if isinstance(found, Rejection) else None
    known_by = fingerprint(source, line, found.code, digest)
    return Finding(found.code, "error", found.message, source, line, field, fingerprint=known_by)


def of_warning(warning: CountedWarning) -> Finding:
    """Return the finding about a key, an id or a file."""
    source, line = warning.places[0]
    return Finding(
        warning.code,
        "warning",
        warning.message,
        source,
        line,
        warning.field or None,
        warning.count,
        warning_fingerprint(warning),
    )


def digest_of(code: str, raw: bytes) -> bytes:
    """Return the digest of a record by its line; nothing if the line is not known."""
    return _digest(code.encode(), raw) if raw else b""


def fingerprint(source: str, line: int, code: str, digest: bytes) -> str:
    """Return what recognises a finding about a record: its own bytes, whichever file they are in.

    A line that was never read as a whole is recognised by its number and the name of its file, without the
    folder.
    """
    return (digest or _digest(code.encode(), *_place(source, line))).hex()


def warning_fingerprint(warning: CountedWarning) -> str:
    """Return what recognises a warning: the key or id that it is about, or else its file and line."""
    code, field, subject = warning.key
    if subject is None or isinstance(subject, int):
        parts: Iterable[bytes] = (b"field", _bytes(field or ""))
        if not field:
            parts = _place(*warning.places[0])
    else:
        parts = (b"subject", _bytes(subject))
    return _digest(code.encode(), *parts).hex()


def _place(source: str, line: int) -> tuple[bytes, ...]:
    return b"line", _bytes(PurePath(source).name), str(line).encode()


def _digest(*parts: bytes) -> bytes:
    return blake2b(_BETWEEN.join(parts), digest_size=_DIGEST).digest()


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
