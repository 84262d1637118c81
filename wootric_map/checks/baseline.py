"""The baseline: a file of findings that are known, which do not count.

It holds the code and a fingerprint of each finding, sorted, one a line, so that it can be kept in git and its
changes be read. What was found stands nowhere in it.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from wootric_map.codes import CODES, nearest
from wootric_map.errors import SourceError
from wootric_map.ownership import place_of_ours
from wootric_map.private_file import PrivateFile

VERSION: Final = 1

MOST: Final = 100_000
"""How many findings a baseline may hold; they are kept in memory."""

_LARGEST: Final = 16 * 1024 * 1024
"""Bytes of a baseline with `MOST` findings, and more."""

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{32}")


class BaselineError(SourceError):
    """A file that is no baseline; the message says why and what to do."""


def read_baseline(path: Path) -> dict[str, str]:
    """Return the code of each known finding, by the finding's fingerprint.

    Raises:
        BaselineError: the file can't be read, or is no baseline.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise BaselineError(f"--baseline {path}: {error.strerror or error}") from error
    if len(content) > _LARGEST:
        raise BaselineError(f"--baseline {path}: it is larger than any baseline may be")
    try:
        return _findings(orjson.loads(content))
    except orjson.JSONDecodeError as error:
        raise _no_baseline(path, f"it is not JSON ({error})") from error
    except ValueError as error:
        raise _no_baseline(path, str(error)) from error


def write_baseline(path: Path, findings: Mapping[str, str]) -> None:
    """Write a baseline, whole or not at all, in place of one that is there.

    Args:
        path: its place.
        findings: the code of each finding, by the finding's fingerprint.

    Raises:
        BaselineError: there are too many findings, or a file of another kind stands there.
        OSError: it can't be written.
    """
    if len(findings) > MOST:
        raise BaselineError(
            f"--write-baseline {path}: more than {MOST:,} findings are too many to know; mend them, or allow "
            "a number with --max-rejected and --max-warnings"
        )
    place = place_of_ours(path)
    if place.is_file() and place.stat().st_size:
        read_baseline(place)  # nothing but a baseline is replaced
    with PrivateFile.beside(place, buffer=1 << 16) as file:
        for piece in _lines(findings):
            file.write(piece)
        file.finish()


def _lines(findings: Mapping[str, str]) -> Iterator[bytes]:
    yield b'{\n"version": %d,\n"findings": [' % VERSION
    pairs = sorted((code, fingerprint) for fingerprint, code in findings.items())
    for nth, (code, fingerprint) in enumerate(pairs):
        comma = "," * (nth > 0)
        yield f'{comma}\n{{"code": "{code}", "fingerprint": "{fingerprint}"}}'.encode()
    yield b"\n]\n}\n"


def _findings(data: Any) -> dict[str, str]:
    """Return the findings in the JSON of a baseline.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(data, dict) or set(data) != {"version", "findings"}:
        raise ValueError('it is no object of "version" and "findings"')
    if data["version"] != VERSION or isinstance(data["version"], bool):
        raise ValueError(f"its version is not {VERSION}")
    if not isinstance(data["findings"], list):
        raise ValueError('its "findings" are no list')  # noqa: TRY004 - of what is read, not of an argument
    found: dict[str, str] = {}
    for nth, each in enumerate(data["findings"], 1):
        code, fingerprint = _finding(each, nth)
        if fingerprint in found:
            raise ValueError(f"finding {nth:,} stands there twice")
        found[fingerprint] = code
    if len(found) > MOST:
        raise ValueError(f"it has more than {MOST:,} findings")
    return found


def _finding(data: Any, nth: int) -> tuple[str, str]:
    if not isinstance(data, dict) or set(data) != {"code", "fingerprint"}:
        raise ValueError(f'finding {nth:,} is no object of "code" and "fingerprint"')
    code, fingerprint = data["code"], data["fingerprint"]
    if not isinstance(code, str) or code not in CODES:
        near = nearest(code) if isinstance(code, str) else None
        hint = f": did you mean {near}?" if near else ""
        raise ValueError(f"finding {nth:,} has an unknown code{hint}")
    if not isinstance(fingerprint, str) or not _FINGERPRINT.fullmatch(fingerprint):
        raise ValueError(f"finding {nth:,} has no fingerprint of 32 hexadecimal digits")
    return code, fingerprint


def _no_baseline(path: Path, why: str) -> BaselineError:
    return BaselineError(
        f"{path} is no baseline: {why}; write one with --write-baseline, of validate or dry-run"
    )
