"""Ordinary lines → their rows, in the database alone, by one query.

Each line becomes a row of the table `line`. What is not proven to be ordinary becomes an odd row, which
holds the line itself for the exact reader.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from wootric_map.mapping.entries import ReadingOptions
from wootric_map.mapping.filters import Choice
from wootric_map.plan.engine.rows import CHOSEN, ODD, QUIET, SKIPPED, kept
from wootric_map.read.ordinary_lines import (
    KIND,
    KINDS,
    LONGEST_ID,
    TIME,
    VALID,
    fields_of_lines,
    is_absent,
    is_inexact,
    occurs_once,
    text_of,
)
from wootric_map.read.record import SUPPORTED
from wootric_map.wootric.address_length import SHORT_CHECK, SHORT_VIEW

_EMAIL: Final = r"[!#-+\--9=?A-~]+@[!#-+\--9=?A-~]+"
"""A plain email, as `values.contact.plain_email` matches it."""
_EMAIL_AS_ID: Final = rf"{_EMAIL}\.[!#-+\--9=?A-~]+"
"""A plain email that looks like one, also as a `userId` (segment.md 4)."""
_CREATED: Final = (
    r"(?:19[89][0-9]|20[0-8][0-9])-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?(?:Z|[+-]0[0-9]:[0-5][0-9])"
)
"""The commonest creation dates (segment.md 5); all are plausible."""
_CREATED_KEYS: Final = ("createdAt", "created_at", "created")

_QUIET_PROPERTIES: Final = (
    r'\{(?:"[A-Za-z][A-Za-z0-9 _-]*":'
    r'(?:"[^"\\\\]*"|true|false|null|-?[0-9]+\.[0-9]{0,7}[1-9])[,}])*'
)
"""A flat object of texts, booleans and floats that are not whole nor tiny; its keys keep their names."""
_TYPED_KEY: Final = '_(?:amount|date)":'
_SHORT_PROPERTIES: Final = 350
"""Bytes of properties that surely are no more than 50."""


def _spelled(*names: str) -> str:
    """Return a pattern that is in the text of an object if a key spells one of these names (segment.md 4)."""
    return "(?i)" + "|".join('"' + "[^a-z0-9]*".join(["", *name, ""]) + '":' for name in names)


def _matches(field: str, pattern: str) -> str:
    return f"regexp_matches({field}, '{pattern}')"


def _without(field: str, *keys: str) -> str:
    """Return the text of an object without these keys, each as it is written."""
    for key in keys:
        field = f"""replace({field}, '"{key}":', '')"""
    return field


_HAS_NO_TRAITS: Final = f"({is_absent('traits')} OR traits = '{{}}')"
_IS_KNOWN_USER: Final = (
    f"(own_id IS NULL OR NOT contains(own_id, '@') OR regexp_full_match(own_id, '{_EMAIL_AS_ID}'))"
)
_NO_EMAIL: Final = f"NOT {_matches('properties', _spelled('email'))}"

_IDENTIFY: Final = f"""(
    NOT {is_inexact("traits")} AND NOT {_matches("traits", _spelled("phone"))}
    AND NOT {_matches(_without("traits", "email"), _spelled("email"))}
    AND CASE WHEN contains(traits, '"email":')
        THEN regexp_full_match(email, '{_EMAIL}') AND strlen(email) <= {LONGEST_ID}
            AND {occurs_once("traits", "email")}
        ELSE own_id IS NULL OR NOT contains(own_id, '@') END
    AND NOT {_matches(_without("traits", *_CREATED_KEYS), _spelled("created", "createdat"))}
    AND CASE strlen(traits) - strlen({_without("traits", *_CREATED_KEYS)})
        WHEN 0 THEN true
        WHEN {len(_CREATED_KEYS[0]) + 3} THEN regexp_full_match(created_at, '{_CREATED}')
        WHEN {len(_CREATED_KEYS[1]) + 3} THEN regexp_full_match(created_at, '{_CREATED}')
        WHEN {len(_CREATED_KEYS[2]) + 3} THEN regexp_full_match(created_at, '{_CREATED}')
        ELSE false END
)"""
"""That an identify says who its user is by a userId and an email alone, and gives no warning."""

_TRACK: Final = f"""(
    {_HAS_NO_TRAITS} AND {_IS_KNOWN_USER} AND event_name IS NOT NULL
    AND NOT contains(event_name, '\\')
    AND ({is_absent("properties")} OR properties = '{{}}' OR (
        NOT {is_inexact("properties")} AND {_NO_EMAIL} AND NOT contains(properties, '"language":')))
)"""
_PAGE: Final = f"""(
    {_HAS_NO_TRAITS} AND {_IS_KNOWN_USER} AND {_NO_EMAIL}
    AND ({is_absent("page")} OR (page[1] = '"' AND NOT contains(page, '\\')))
    AND (page_name IS NOT NULL OR NOT contains(properties, '"name":'))
    AND url[1] = '"' AND url <> '""' AND NOT contains(url, '\\')
    AND path[1] = '"' AND path <> '""' AND NOT contains(path, '\\')
    AND {occurs_once("properties", "url")} AND {occurs_once("properties", "path")}
)"""
_ALIAS: Final = f"""(
    {is_absent("previous_id")} OR (
        regexp_full_match(previous_id, '"[!#-\\[\\]-~]+"') AND strlen(previous_id) <= {LONGEST_ID}
        AND strlen(previous_id) > 22 AND NOT contains(previous_id, '00000000'))
)"""
_IS_QUIET: Final = f"""CASE kind
    WHEN 1 THEN bytes < {SHORT_CHECK} AND ({is_absent("properties")} OR properties = '{{}}' OR (
        regexp_full_match(properties, '{_QUIET_PROPERTIES}') AND NOT {_matches("properties", _TYPED_KEY)}
        AND (strlen(properties) <= {_SHORT_PROPERTIES} OR len(json_keys(properties)) <= 50)))
    WHEN 2 THEN bytes < {SHORT_VIEW} ELSE false END"""
"""That there is nothing to warn of in an event."""


@dataclass(frozen=True)
class Queries:
    """The queries that take lines in; they are the same for all parts."""

    reading: ReadingOptions
    choice: Choice

    def insert(self, lines: str) -> str:
        """Return the query that makes a row of each line.

        Args:
            lines: where lines are selected from: the columns `part`, `line` (null if the rows' own order
                tells it) and `content`.
        """
        of_record = {
            "time": "time",
            "message": "message_id[2:-2]",
            "anonymous_id": "device",
            "email": "CASE WHEN kind = 0 THEN lower(email) "
            "WHEN contains(own_id, '@') THEN lower(own_id) END",
            "url": f"CASE WHEN kind = 2 AND is_chosen THEN {text_of('url')} END",
            "path": f"CASE WHEN kind = 2 AND is_chosen THEN {text_of('path')} END",
            "topic": "CASE WHEN kind = 0 AND NOT contains(traits, ':null') "
            "AND NOT contains(traits, ':\"\"') THEN hash(own_id, json_keys(traits))::UBIGINT >> 1 END",
            "fields": "CASE WHEN kind = 0 THEN traits "
            f"WHEN kind = 1 AND is_chosen THEN {_or_empty('properties')} END",
            "filed": "CASE WHEN kind > 0 AND NOT is_chosen THEN '' END",
        }
        values = {name: f"CASE WHEN fate = 1 THEN {value} END" for name, value in of_record.items()}
        values |= {
            "size": "bytes",
            "user_id": "CASE WHEN fate > 0 THEN own_id END",
            "name": "CASE WHEN fate = 1 AND kind = 1 THEN event_name "
            "WHEN fate = 1 AND kind = 2 THEN page_name "
            f"WHEN fate = 2 AND kind = 5 AND NOT {is_absent('previous_id')} "
            f"THEN {text_of('previous_id')} END",
            "raw": "CASE WHEN fate = 0 THEN encode(content) END",
        }
        return f"""
            INSERT INTO line SELECT part, line, line AS slot,
                CASE fate WHEN 0 THEN {ODD} WHEN 2 THEN {SKIPPED} + kind ELSE
                    kind + CASE WHEN is_chosen THEN {CHOSEN} ELSE 0 END
                    + CASE WHEN is_chosen AND {_IS_QUIET} THEN {QUIET} ELSE 0 END END,
                {kept(values)}
            FROM ({self._judged(lines)})
        """

    def _judged(self, lines: str) -> str:
        """Return a query for what becomes of each line: it is odd (0), a record (1) or skipped (2)."""
        skipped = ", ".join(
            str(number)
            for number, kind in enumerate(KINDS)
            if kind in self.choice.passed_over or kind in ("screen", "group")
        )
        identify = "false" if self.reading.traits_from == "context" else _IDENTIFY
        created = ", ".join(f"'$.{key}'" for key in _CREATED_KEYS)
        return f"""
            SELECT *, CASE
                WHEN NOT coalesce({VALID}, false) THEN 0
                WHEN kind IN ({skipped}) THEN 2
                WHEN coalesce(CASE kind WHEN 0 THEN {identify} WHEN 1 THEN {_TRACK}
                    WHEN 2 THEN {_PAGE} WHEN 5 THEN {_ALIAS} END, false)
                THEN CASE WHEN kind = 5 THEN 2 ELSE 1 END
                ELSE 0 END AS fate, {self._is_chosen} AS is_chosen
            FROM (
                SELECT * EXCLUDE (traits), {KIND} AS kind, {TIME} AS time,
                    {_or_empty("traits")} AS traits,
                    {text_of("user_id")} AS own_id, {text_of("anonymous_id")} AS device,
                    {text_of("event")} AS event_name, {text_of("page")} AS page_name,
                    CASE WHEN type = '"identify"'
                        THEN json_extract_string(traits, '$.email') END AS email,
                    CASE WHEN type = '"identify"' THEN list_filter(
                        json_extract_string(traits, [{created}]), lambda each: each IS NOT NULL
                    )[1] END AS created_at,
                    CASE WHEN type = '"page"'
                        THEN json_extract(properties, '$.url')::VARCHAR END AS url,
                    CASE WHEN type = '"page"'
                        THEN json_extract(properties, '$.path')::VARCHAR END AS path
                FROM ({fields_of_lines(lines, self.reading.max_line_bytes)})
            )
        """

    @cached_property
    def _is_chosen(self) -> str:
        """The condition that a record is chosen by what it says itself (`Choice.takes`)."""
        choice, conditions = self.choice, ["true"]
        if choice.since is not None:
            conditions.append(f"time >= {choice.since}")
        if choice.until is not None:
            conditions.append(f"time < {choice.until}")
        if choice.types:
            numbers = ", ".join(str(KINDS.index(each)) for each in sorted(choice.types & SUPPORTED))
            conditions.append(f"kind IN ({numbers})")
        if choice.events:
            alike = " OR ".join(
                f"event_name LIKE {_like(each)} ESCAPE '!'" for each in choice.events
            )
            conditions.append(f"(kind <> 1 OR {alike})")
        return f"({' AND '.join(conditions)})"


def _or_empty(field: str) -> str:
    return f"CASE WHEN {is_absent(field)} THEN '{{}}' ELSE {field} END"


def _like(pattern: str) -> str:
    """Return a pattern of event names as SQL has it; `*` stands for any text."""
    for mark in "!%_":
        pattern = pattern.replace(mark, f"!{mark}")
    return "'" + pattern.replace("*", "%").replace("'", "''") + "'"
