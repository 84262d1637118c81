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
from typing import Final, Literal, NamedTuple, Self, TypeAlias

from wootric_map.errors import SourceError
from wootric_map.read.placeholders import is_placeholder
from wootric_map.values.contact import comparable, email_in, phone_in
from wootric_map.values.trait_names import spelling

Kind: TypeAlias = Literal["any", "id", "email", "phone"]
"""What an entry may be; a list without a header does not say."""

_IDS: Final = frozenset(
    {"userid", "anonymousid", "externalid", "previousid", "customerid", "segmentuserid", "user"}
)
"""Spellings of the columns of a CSV file that hold ids."""
_LONE_IDS: Final = frozenset({"id", "sha256", "hash", "value", "identifier"})
"""Spellings of columns that count only where no other column names people: else they may be row numbers."""

_HASHED: Final = re.compile(r"^(?:sha256|hashed)|(?:sha256|hash|hashed)$")
"""What the spelling of a column of digests begins or ends with."""

_DELIMITERS: Final = ",;\t"
_LONGEST_LINE: Final = 1024 * 1024
_is_sha256: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})", re.IGNORECASE).fullmatch


class Entry(NamedTuple):
    """One entry of a list."""

    text: str
    """An id, an email, a phone number, or the SHA-256 of one, without white space around it."""
    kind: Kind = "any"


class Suppression:
    """The people on suppression lists.

    Eight bytes are kept of each digest, so that ten million lines take 80 MB. Of a million ids that are on no
    list, one is taken for one on a list of a million in one of ten million such exports.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        """Take the entries of lists.

        Args:
            entries: what stands on the lists; may be gone through more than once.
        """
        self.entries = entries
        """The entries as they are written."""
        self._ids, self._emails, self._phones = array("Q"), array("Q"), array("Q")
        for entry in entries:
            self._add(entry)
        self._ids, self._emails, self._phones = (
            array("Q", sorted(each)) for each in (self._ids, self._emails, self._phones)
        )

    def __bool__(self) -> bool:
        """Tell whether there is anybody on the lists."""
        return bool(self._ids or self._emails or self._phones)

    @classmethod
    def read(cls, paths: Iterable[Path]) -> Self:
        """Read lists: of each line one entry, or CSV with a header that names the columns.

        Raises:
            SourceError: a list can't be read whole; half a list would let people pass.
        """
        return cls(_Lists(tuple(paths)))

    def has_id(self, text: str | None) -> bool:
        """Tell whether a `userId`, `anonymousId` or `previousId` is on a list."""
        if not text:
            return False
        return _has(self._ids, _digest(text.strip())) or ("@" in text and self.has_email(text))

    def has_email(self, text: str | None) -> bool:
        """Tell whether an email is on a list, in any case, or its digest as written or in lower case."""
        return bool(text) and any(
            _has(self._emails, _digest(each)) for each in (comparable(text), (text or "").strip())
        )

    def has_phone(self, text: str | None) -> bool:
        """Tell whether a phone number is on a list, however it is written."""
        phones = self._phones
        return bool(text) and any(_has(phones, each) for each in _digests_of_phone(str(text)))

    def _add(self, entry: Entry) -> None:
        """Add the digests by which an entry is found."""
        text, kind = entry
        digest = _is_sha256(text)
        hashed = [int(digest[1][:16], 16)] if digest else []
        if kind in ("any", "id"):
            self._ids.extend((_digest(text), *hashed))
        if kind != "phone":
            self._emails.extend((_digest(comparable(text)), *hashed) if "@" in text else hashed)
        if kind in ("any", "phone"):
            phone = _digests_of_phone(text) if phone_in(text) else ()
            self._phones.extend((*phone, *hashed))


@dataclass(frozen=True, slots=True)
class _Lists:
    """The entries of lists, read anew each time."""

    paths: tuple[Path, ...]

    def __iter__(self) -> Iterator[Entry]:
        return chain.from_iterable(map(entries_in, self.paths))


def entries_in(path: Path) -> Iterator[Entry]:
    """Yield the entries of a list.

    Raises:
        SourceError: the list can't be read whole, or has a line that is no entry, no column of people,
            or no entry at all.
    """
    count = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = iter(partial(file.readline, _LONGEST_LINE + 1), "")
            for number, entry in _numbered(lines, path):
                reason = _why_none(entry)
                if reason:
                    raise _unreadable(path, f"line {number} {reason}")
                count += 1
                yield entry
    except UnicodeDecodeError as error:
        raise _unreadable(path, "it is not UTF-8; convert it, so that nobody is missed") from error
    except csv.Error as error:
        raise _unreadable(path, f"it is no CSV: {error}") from error
    except (OSError, ValueError) as error:
        if isinstance(error, SourceError):
            raise
        raise _unreadable(path, getattr(error, "strerror", None) or str(error)) from error
    if not count:
        raise _unreadable(path, "it holds no entry; leave the option out if nobody is suppressed")


def _numbered(lines: Iterator[str], path: Path) -> Iterator[tuple[int, Entry]]:
    """Yield each entry with the number of its line."""
    columns: list[tuple[int, Kind]] | None = None
    delimiter, others = ",", ""
    for number, line in enumerate(lines, 1):
        if len(line) > _LONGEST_LINE:
            raise _unreadable(path, f"line {number} is longer than a megabyte; is it a list?")
        text = line.strip("\r\n").lstrip("\ufeff")
        if not text.strip():
            continue
        if columns is None:
            delimiter = max(_DELIMITERS, key=text.count)
            columns = _columns_of(next(csv.reader([text], delimiter=delimiter, strict=True)), path)
            others = f"@{_DELIMITERS.replace(delimiter, '')}"
            if columns:
                continue
        if not columns:
            yield number, Entry(_unquoted(text.strip()))
            continue
        [row] = csv.reader([text], delimiter=delimiter, strict=True)
        if len(row) <= columns[0][0] and any(each in text for each in others):
            raise _unreadable(
                path, f"line {number} has fewer columns than the header; is its separator another?"
            )
        for at, kind in columns:
            cell = row[at].strip() if at < len(row) else ""
            if cell and not (kind in ("email", "phone") and is_placeholder(cell)):
                yield number, Entry(cell, kind)


def _columns_of(row: Sequence[str], path: Path) -> list[tuple[int, Kind]]:
    """Return the places and the kinds of the columns that name people; none if the first line is no header.

    Raises:
        SourceError: the file has several columns, and none is known to name people.
    """
    kinds = [_kind_of(spelling(name)) for name in row]
    found = [(at, kind) for at, kind in enumerate(kinds) if kind]
    if not found:
        found = [(at, "any") for at, name in enumerate(row) if spelling(name) in _LONE_IDS]
    if not found and len(row) > 1:
        raise _unreadable(
            path,
            "its first line names no column of people; name one email, userId, anonymousId, phone, id or "
            "sha256, or keep one entry a line",
        )
    return found


def _kind_of(spelled: str) -> Kind | None:
    """Return what a column holds, by the spelling of its name; None if it is not known to name people."""
    if "mail" in spelled and "@" not in spelled:
        return "email"
    if "phone" in spelled or "mobile" in spelled:
        return "phone"
    return "id" if _HASHED.sub("", spelled) in _IDS else None


def _unquoted(text: str) -> str:
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] == '"' else text


def _why_none(entry: Entry) -> str | None:
    """Return why a text is no entry of a list; None if it may be one."""
    text = entry.text
    if not text.isprintable():
        return "holds a control or invisible character; is the list UTF-8, one entry a line?"
    if entry.kind == "any" and any(each in text for each in (",", ";", '"', "<", "{")):
        return "is no single entry; keep one a line, or give the columns of a CSV file a header"
    if "@" in text and (text.count("@") > 1 or " " in text):
        return "is no email alone; keep one entry a line"
    if entry.kind == "email" and not (email_in(text) or _is_sha256(text)):
        return "has in its column of emails what is neither an email nor the SHA-256 of one"
    if entry.kind == "phone" and not (phone_in(text) or _is_sha256(text)):
        return "has in its column of phones what is neither a phone number nor the SHA-256 of one"
    return None


def _unreadable(path: Path, reason: str) -> SourceError:
    return SourceError(f"--suppress {path}: {reason}")


def _has(digests: Sequence[int], digest: int) -> bool:
    at = bisect_left(digests, digest)
    return at < len(digests) and digests[at] == digest


def _digests_of_phone(text: str) -> Iterator[int]:
    """Yield the digests by which a phone number is found: as it is written, and by its digits alone."""
    all_digits = "".join(filter(str.isdigit, text))
    digits = all_digits.lstrip("0")
    for form in (text.strip(), all_digits, digits, f"+{digits}"):
        yield _digest(form)


def _digest(text: str) -> int:
    """Return the first eight bytes of the SHA-256 of a text."""
    return int.from_bytes(sha256(text.encode("utf-8", "surrogatepass")).digest()[:8])


NOBODY_SUPPRESSED: Final = Suppression()
"""The people on no list."""
