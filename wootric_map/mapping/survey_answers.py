"""A track record → the survey response or decline that it is (wootric.md 7)."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from wootric_map.mapping.patterns import matches
from wootric_map.mapping.rules import ResponseRules
from wootric_map.model import MappingWarning, Rejection
from wootric_map.read.record import Survey, Track
from wootric_map.read.record_fields import quoted
from wootric_map.survey_calls import SurveyKind
from wootric_map.values import dates
from wootric_map.values.json_values import decimal_text

_SCORE_TEXT: Final = re.compile(r"(10|[0-9])(?:\.0+)?")
_MOST: Final = 10

_SECOND: Final = 1000
"""Milliseconds."""


class _Places(NamedTuple):
    """Where a record that is a response says what."""

    score: str = "properties.feedbackScore"
    text: str | None = "properties.feedbackText"


_BY_EVENT_TYPE: Final = _Places()
"""The places in a record whose `integrations` say that it is a response."""


class SurveyRecords:
    """Finds the track records that are survey responses or declines, by the user's rules."""

    def __init__(self, rules: ResponseRules) -> None:
        """Prepare the rules; `rules` have been checked."""
        self._rules = rules
        named: list[tuple[str | None, SurveyKind]] = [
            (rules.event, "response"),
            (rules.decline_event, "decline"),
        ]
        self._named = [(pattern, kind) for pattern, kind in named if pattern is not None]
        self.met: set[str] = set()
        """The names in the rules that some event had, up to now."""

    @property
    def any(self) -> bool:
        """Whether the rules name any event."""
        return bool(self._named)

    def named(self, event: str) -> SurveyKind | None:
        """Return what an event is by its name; None if the rules do not name it."""
        for pattern, kind in self._named:
            if matches(event, pattern):
                self.met.add(pattern)
                return kind
        return None

    def kind_of(self, record: Track) -> SurveyKind | None:
        """Return what a record is; None if it is neither a response nor a decline."""
        named = self.named(record.event) if self._named else None
        return named or (record.survey_kind if self._rules.by_event_type else None)

    def read(self, record: Track, kind: SurveyKind, scored: Track) -> Track | Rejection:
        """Return a record with what it says as a response or decline, or why it is rejected.

        The time is cut to the second, as RudderStack's destination does, so that what that destination has
        sent is recognised.

        Args:
            record: the record, with its properties as the user's rules want them.
            kind: what it is, as `kind_of` returns it.
            scored: the record as it was, whose score counts: a rule such as `exclude = ["feedback*"]` takes
                the text away, but makes nothing of a response.
        """
        created_at = None if record.time is None else record.time // _SECOND
        if created_at is None or not dates.is_plausible(created_at):
            return _without_time(kind)
        page = record.context.get("page")
        warnings: list[MappingWarning] = []
        survey = Survey(
            kind, created_at, origin_url=_url(page.get("url") if isinstance(page, dict) else None)
        )
        if kind == "response":
            own = _Places(self._rules.score, self._rules.text)
            places = own if self._named and self.named(record.event) else _BY_EVENT_TYPE
            hint = ", or name another place with --response-score" if places is own else ""
            told = _score(_value_at(scored, places.score), places.score, hint)
            if isinstance(told, Rejection):
                return told
            text = _text(_value_at(record, places.text), places.text, warnings)
            address = _ip_address(record.context.get("ip"), warnings)
            survey = survey._replace(score=told, text=text, ip_address=address)
        return record._replace(survey=survey, warnings=(*record.warnings, *warnings))


def _without_time(kind: SurveyKind) -> Rejection:
    message = (
        f"a survey {kind} needs the time at which it was given, between 1970-01-02 and 2099, or Wootric "
        "would date it now; write it as 2018-08-03T15:28:46.493Z"
    )
    return Rejection("invalid_timestamp", "timestamp", message)


def _value_at(record: Track, place: str | None) -> object:
    """Return the value at a place in a record, such as `properties.answers.score`; None if there is none.

    A key may hold dots itself.
    """
    parent, _, rest = (place or "").partition(".")
    fields: object = record.context if parent == "context" else record.properties
    return _within(fields, rest) if place else None


def _within(fields: object, rest: str) -> object:
    """Return the value under keys with dots between them; a key that is spelled so as a whole goes first."""
    while isinstance(fields, Mapping):
        if rest in fields:
            return fields[rest]
        key, dot, rest = rest.partition(".")
        if not dot:
            return None
        fields = fields.get(key)
    return None


def _score(value: object, place: str, hint: str) -> int | Rejection:
    """Return a score from 0 to 10, or the rejection of a record with another value.

    Args:
        value: what stands in the place.
        place: the place.
        hint: what the rejection says besides.
    """
    if isinstance(value, str):
        matched = _SCORE_TEXT.fullmatch(value.strip())
        if matched:
            return int(matched[1])
    elif isinstance(value, int | float) and not isinstance(value, bool):
        score = int(value) if 0 <= value <= _MOST else None
        if score is not None and score == value:
            return score
    said = "there is none" if value is None else f"this is {quoted(value)}"
    message = f"a survey response needs a score, a whole number from 0 to 10, and {said}; correct it{hint}"
    return Rejection("invalid_score", place, message)


def _text(value: object, place: str | None, warnings: list[MappingWarning]) -> str | None:
    """Return the text of a response; a value that is no text gives a warning."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return decimal_text(value)
    message = "no text, which a survey response takes here; left out"
    warnings.append(MappingWarning("unsupported_value", place or "", message))
    return None


def _ip_address(value: object, warnings: list[MappingWarning]) -> str | None:
    """Return an IP address as text; a value that is none gives a warning."""
    if value is None or value == "":
        return None
    try:
        return str(ipaddress.ip_address(value.strip() if isinstance(value, str) else ""))
    except ValueError:
        message = "no IP address, which a survey response takes here; left out"
        warnings.append(MappingWarning("unsupported_value", "context.ip", message))
        return None


def _url(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None
