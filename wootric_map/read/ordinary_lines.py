"""Lines that SQL proves to hold one record of the commonest form; any doubt is left to `read.record`.

The proof asks what `record.read_parsed` asks, and where the database's JSON is more lenient than ours, it
asks the text: repeated keys, trailing commas, `NaN` and infinity, very long and very deep lines, numbers of
more than 64 bits. What it does not prove is no fault: the exact reader decides.
"""

import re
from typing import Final

from wootric_map.read.placeholders import PLACEHOLDERS

KINDS: Final = ("identify", "track", "page", "screen", "group", "alias")
"""The types of the records, each in the place of its number."""

_FIELDS: Final = {
    "type": "type",
    "user_id": "userId",
    "anonymous_id": "anonymousId",
    "message_id": "messageId",
    "written_time": "timestamp",
    "received": "receivedAt",
    "event": "event",
    "page": "name",
    "previous_id": "previousId",
    "traits": "traits",
    "properties": "properties",
    "context": "context",
    "integrations": "integrations",
}
"""The fields of a record that are looked at, by the names of their columns."""

_INNER_FIELDS: Final = {
    "context_traits": "context.traits",
    "context_ids": "context.externalId",
    "context_consent": "context.consent",
    "context_integrations": "context.integrations",
}
"""The places within the context that are looked at, by the names of their columns."""

_OTHER_FIELDS: Final = (
    "originalTimestamp", "sentAt", "category", "groupId", "version", "channel", "projectId",
    "writeKey", "_metadata",
)  # fmt: skip
"""Further fields that Segment writes; nothing depends on them."""

_ODD_FIELDS: Final = ("batch", "options", "providers")
"""Fields that only the exact reader understands."""

_DEEPEST: Final = 1000
"""Brackets that a line may have; the exact reader tells whether more are nested too deep."""
_SHORTEST_DEEP: Final = 2 * _DEEPEST
"""Bytes that a line has at least if so many brackets are nested in it."""

_UNCOMMON: Final = r"[:,\[ \t]-?(?:[nN][aA]|[iI][nN]|[0-9.]+[eE])|,[ \t]*[}\]]"
"""What the database takes for JSON though it is none, or writes otherwise than it stands in the line.

That is: what is no number, a number with an exponent, a comma behind the last value.
"""
_INEXACT: Final = r"[:,\[](?:-0|-?[0-9.]+[eE])|[0-9]{19}"
"""Numbers that two parsers may read differently."""
_TIME: Final = (
    r'"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{3})?Z"'
)
"""The forms in which Segment itself writes a time."""
_PLAIN_INTEGRATIONS: Final = ("{}", "[]", '{"All":true}', '{"all":true}')
_OUR_NAMES: Final = "(?i)" + "|".join(
    [
        '[^a-z0-9"]*'.join("wootric"),
        '[^a-z0-9"]*'.join("inmoment"),
        '"' + '[^a-z0-9"]*'.join(["", *"all", ""]) + '"',
        r"\\",
        "[^ -~]",
    ]
)
"""Names of destinations that say something of Wootric in some spelling; and what may be written otherwise."""
LONGEST_ID: Final = 195
"""Characters of an id that surely is its own name (`plan.people.id_name`)."""

_IDS_TOGETHER: Final = "concat(user_id, anonymous_id, message_id)"
_PLAIN_IDS: Final = r'(?:"[!#-\[\]-~]+"|null)+'
"""Ids without blanks, without escapes, and in ASCII; an absent one is null."""
_PLACEHOLDER: Final = "(?i)" + '"(?:' + "|".join(map(re.escape, sorted(PLACEHOLDERS))) + ')"'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _values(texts: "tuple[str, ...] | list[str]") -> str:
    return "(" + ", ".join(map(_quoted, texts)) + ")"


def _path(place: str) -> str:
    return "$." + ".".join(f'"{each}"' for each in place.split("."))


def fields_of_lines(lines: str, most_bytes: int) -> str:
    """Return a query for the fields of lines, each field as JSON text.

    Args:
        lines: where lines are selected from; the column `content` is the text of a line.
        most_bytes: the longest line that is read.

    Returns:
        SQL. The columns are those of `lines`, `_FIELDS` and `_INNER_FIELDS`, `bytes`, and
        `is_plain`: whether the text is read by the database as we read it. For a line that is no JSON, it
        is false.
    """
    outer = [*_FIELDS.values(), *_OTHER_FIELDS]
    paths = [_path(place) for place in (*outer, *_INNER_FIELDS.values())]
    names = [*_FIELDS, *_OTHER_FIELDS, *_INNER_FIELDS]
    columns = ", ".join(
        f"f[{at}] AS {name}" for at, name in enumerate(names, 1) if name not in _OTHER_FIELDS
    )
    around = ", ".join(str(len(key) + len('"":,')) for key in outer)
    return f"""
        SELECT * EXCLUDE (f), {columns},
            f IS NOT NULL AND bytes <= {most_bytes}
            AND (bytes < {_SHORTEST_DEEP} OR
                2 * bytes - strlen(replace(content, '{{', '')) - strlen(replace(content, '[', ''))
                < {_DEEPEST})
            AND NOT regexp_matches(content, {_quoted(_UNCOMMON)})
            AND CASE WHEN bytes = 1 + list_sum(list_transform(list_zip(f[:{len(outer)}], [{around}]),
                    lambda each: CASE WHEN each[1] IS NULL THEN 0 ELSE strlen(each[1]) + each[2] END))
                THEN true ELSE {_has_plain_keys("try(json_keys(content))")} END AS is_plain
        FROM (
            SELECT *, strlen(content) AS bytes,
                try(json_extract(content, [{", ".join(map(_quoted, paths))}]))::VARCHAR[] AS f
            FROM {lines}
        )
    """


def _has_plain_keys(keys: str) -> str:
    """Return the condition that keys are all different, and none needs the exact reader."""
    odd = ", ".join(map(_quoted, _ODD_FIELDS))
    return f"(len(list_distinct({keys})) = len({keys}) AND NOT list_has_any({keys}, [{odd}]))"


def _is_plain_text(field: str) -> str:
    r"""Return the condition that a JSON text is written without escapes, and in ASCII."""
    return f"(strlen({field}) = length({field}) AND NOT contains({field}, '\\'))"


def is_absent(field: str) -> str:
    """Return the condition that a field is not there, or null."""
    return f"({field} IS NULL OR {field} = 'null')"


def _is_object(field: str) -> str:
    return f"({is_absent(field)} OR {field}[1] = '{{')"


def text_of(field: str) -> str:
    """Return the text of a JSON text that has no escapes; null where the field is absent or empty."""
    inner = f"substring({field}, 2, length({field}) - 2)"
    return f"CASE WHEN {field}[1] = '\"' THEN nullif({inner}, '') END"


KIND: Final = (
    "list_position([" + ", ".join(_quoted(f'"{kind}"') for kind in KINDS) + "], type)::TINYINT - 1"
)
"""The number of a record's type, null for any other."""

TIME: Final = "epoch_ms(try_cast(written_time[2:-2] AS TIMESTAMP))"
"""When the record happened, in milliseconds since the epoch."""

VALID: Final = f"""(
    is_plain AND kind IS NOT NULL
    AND message_id[1] = '"' AND (user_id[1] = '"' OR anonymous_id[1] = '"')
    AND greatest(strlen(user_id), strlen(anonymous_id), strlen(message_id)) <= {LONGEST_ID}
    AND regexp_full_match({_IDS_TOGETHER}, {_quoted(_PLAIN_IDS)})
    AND NOT regexp_matches({_IDS_TOGETHER}, {_quoted(_PLACEHOLDER)})
    AND regexp_full_match(written_time, {_quoted(_TIME)}) AND written_time >= '"0001'
    AND time IS NOT NULL
    AND ({is_absent("received")} OR received = written_time OR (
        received[1] = '"' AND received[6] = '-' AND received[9] = '-' AND received[-2] = 'Z'
        AND received[2:11] >= written_time[2:11] AND {_is_plain_text("received")}))
    AND {_is_object("traits")} AND {_is_object("properties")} AND {_is_object("context")}
    AND ({is_absent("integrations")} OR integrations IN {_values(_PLAIN_INTEGRATIONS)}
        OR (integrations[1] = '{{' AND NOT regexp_matches(integrations, {_quoted(_OUR_NAMES)})))
    AND context_traits IS NULL AND context_ids IS NULL AND context_consent IS NULL
    AND context_integrations IS NULL
)"""
"""That a record of any type is valid, and nothing is to be warned of in its common fields."""


def is_inexact(field: str) -> str:
    """Return the condition that an object's text may hold a number that two parsers read differently."""
    return f"regexp_matches({field}, {_quoted(_INEXACT)})"


def occurs_once(field: str, key: str) -> str:
    """Return the condition that a key stands in an object's text once at most, at any depth."""
    written = f'"{key}":'
    taken_out = f"strlen(replace({field}, {_quoted(written)}, ''))"
    return f"(strlen({field}) - {taken_out} <= {len(written)})"
