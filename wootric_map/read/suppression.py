"""Suppression lists: people of whom nothing is sent, by their ids, emails, phones or the SHA-256 of these."""

import csv
import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Final, Self

from wootric_map.errors import SourceError
from wootric_map.values.contact import comparable, phone_in
from wootric_map.values.trait_names import spelling

_COLUMNS: Final = frozenset(
    {
        "anonymousid", "email", "emailaddress", "emailsha256", "externalid", "hash", "hashedemail",
        "id", "phone", "phonenumber", "previousid", "sha256", "sha256email", "user", "userid",
    }
)  # fmt: skip
"""Spellings of the columns of a CSV file that name people."""

_LONGEST_LINE: Final = 1024 * 1024
_is_sha256: Final = re.compile(r"[0-9A-Fa-f]{64}").fullmatch


class Suppression:
    """The people on suppression lists.

    Eight bytes are kept of the digest of each id, so that ten million lines take 80 MB. Of a million ids that
    are on no list, none is taken for one on a list of a million, but in one of ten million such exports.
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        """Take the entries of lists.

        Args:
            entries: ids, emails, phone numbers, and SHA-256 of these; may be gone through more than once.
        """
        self.entries = entries
        """The entries as they are written."""
        self._digests = array("Q", sorted(chain.from_iterable(map(_digests_of_entry, entries))))

    def __bool__(self) -> bool:
        """Tell whether there is anybody on the lists."""
        return bool(self._digests)

    @classmethod
    def read(cls, paths: Iterable[Path]) -> Self:
        """Read lists: of each line one entry, or CSV with a header that names the columns.

        Raises:
            SourceError: a list can't be read whole; half a list would let people pass.
        """
        return cls(_Lists(tuple(paths)))

    def has_id(self, text: str | None) -> bool:
        """Tell whether a `userId`, `anonymousId` or `previousId` is on a list."""
        return bool(text) and any(map(self._has, _digests_of_id(str(text))))

    def has_email(self, text: str | None) -> bool:
        """Tell whether an email is on a list, in any case."""
        return bool(text) and self._has(_digest(comparable(text)))

    def has_phone(self, text: str | None) -> bool:
        """Tell whether a phone number is on a list, however it is written."""
        return bool(text) and any(map(self._has, _digests_of_phone(str(text))))

    def _has(self, digest: int) -> bool:
        at = bisect_left(self._digests, digest)
        return at < len(self._digests) and self._digests[at] == digest


@dataclass(frozen=True, slots=True)
class _Lists:
    """The entries of lists, read anew each time."""

    paths: tuple[Path, ...]

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(map(entries_in, self.paths))


def entries_in(path: Path) -> Iterator[str]:
    """Yield the entries of a list, without surrounding white space.

    Raises:
        SourceError: the list can't be read whole, or no column names people.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = _short_lines(iter(partial(file.readline, _LONGEST_LINE + 1), ""), path)
            first = next(lines, "")
            columns = _columns_of(next(csv.reader([first]), []), path)
            if columns:
                rows = csv.reader(lines)
                cells = (row[at].strip() for row in rows for at in columns if at < len(row))
                yield from filter(None, cells)
            else:
                yield from filter(None, map(str.strip, chain([first], lines)))
    except UnicodeDecodeError as error:
        raise _unreadable(path, "it is not UTF-8; convert it, so that nobody is missed") from error
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _unreadable(path, reason) from error


def _columns_of(row: Sequence[str], path: Path) -> list[int]:
    """Return the places of the columns that name people; none if the first line is no header.

    Raises:
        SourceError: the file has several columns, and none is known to name people.
    """
    found = [at for at, name in enumerate(row) if spelling(name) in _COLUMNS]
    if not found and len(row) > 1:
        raise _unreadable(
            path,
            "its first line names no column of people; name one email, userId, anonymousId, phone, id or "
            "sha256, or keep one entry a line",
        )
    return found


def _short_lines(lines: Iterable[str], path: Path) -> Iterator[str]:
    """Yield the lines of a list without the blank ones in front of all.

    Raises:
        SourceError: a line is longer.
    """
    has_begun = False
    for number, line in enumerate(lines, 1):
        if len(line) > _LONGEST_LINE:
            raise _unreadable(path, f"line {number} is longer than a megabyte; is it a list?")
        has_begun = has_begun or bool(line.strip())
        if has_begun:
            yield line


def _unreadable(path: Path, reason: str) -> SourceError:
    return SourceError(f"--suppress {path}: {reason}")


def _digests_of_entry(text: str) -> Iterator[int]:
    """Yield the digests by which an entry is found, whatever it is."""
    yield _digest(text)
    if _is_sha256(text):
        yield int(text[:16], 16)
    if "@" in text:
        yield _digest(comparable(text))
    elif phone_in(text):
        yield from _digests_of_phone(text)


def _digests_of_id(text: str) -> Iterator[int]:
    """Yield the digests by which an id is found; one that is an email may be listed as one."""
    yield _digest(text.strip())
    if "@" in text:
        yield _digest(comparable(text))


def _digests_of_phone(text: str) -> Iterator[int]:
    """Yield the digests by which a phone number is found: as it is written, and by its digits alone."""
    digits = "".join(filter(str.isdigit, text)).lstrip("0")
    for form in (text.strip(), digits, f"+{digits}"):
        yield _digest(form)


def _digest(text: str) -> int:
    """Return the first eight bytes of the SHA-256 of a text."""
    return int.from_bytes(sha256(text.encode("utf-8", "surrogatepass")).digest()[:8])


NOBODY_SUPPRESSED: Final = Suppression()
"""The people on no list."""
