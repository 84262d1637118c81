"""Lines of an export that are ordinary but for something that two JSON parsers may read differently."""

import random
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import orjson
from generate import records as generated

Pair: TypeAlias = tuple[str, Any]


class Token(NamedTuple):
    """A value that is written as it stands, JSON or not."""

    text: str


class Pairs(list[Pair]):
    """An object whose keys may occur again; each key is written as it stands between its quotes."""

    def put(self, key: str, value: Any) -> None:
        """Set a field in its place, or behind all others."""
        for at, (known, _) in enumerate(self):
            if known == key:
                self[at] = key, value
                return
        self.append((key, value))

    def get(self, key: str) -> Any:
        """Return the value of the first field with this key."""
        return next((value for known, value in self if known == key), None)


_ORDINARY: Final = [each for each in generated(400, 8, 1) if each["type"] != "group"]

_PLACEHOLDERS: Final = (
    "undefined", "null", "(null)", "None", "NIL", "NaN", "n/a", "-", "0", "-1", "Unknown", "guest",
    "TRUE", "not set", "[object Object]", "00000000-0000-0000-0000-000000000000", "0" * 32,
)  # fmt: skip
_PLACEHOLDER_TEXTS: Final = (
    *_PLACEHOLDERS, *(f" {each}" for each in _PLACEHOLDERS), *(f"{each}  " for each in _PLACEHOLDERS),
    "null\t", "\u00a0null", "\u2003None", "null\x1f",
)  # fmt: skip
IDS: Final[tuple[Any, ...]] = (
    *_PLACEHOLDER_TEXTS,
    None, "", " ", "  \t ", 7, 0, -1, 1.0, 1.5, 2**64, -(2**63) - 1, True, False, [], {}, ["x"],
    "x" * 197, "x" * 198, "x" * 199, "x" * 200, "x" * 201, "x" * 300, "é" * 100, "日本", "user-1 ", " user-1",
    "USER-1", "user-1\0", "a\\b", 'a"b', "it's", "a/b", "user-1@example.com", "User-1@Example.COM",
    "@", "a@", "@b", "a@b", "a@b.c", "a@b.", "a@b@c.de", "a b@c.de", "a@ b.c", "<a@b.co>", "a,b@c.de",
    "é@b.co",
    "a@é.co", "a@b.co ", "a@b.c.d", "a@@b.co", "\u2028", "\u200b", "\x7f", "a\x7f@b.co", "user-2", "user-3",
    Token("1e2"), Token("12345678901234567890"), Token("1.50"), Token('"\\ud83d"'), Token('"\\u0000"'),
    Token("-0"), Token("0.0"), Token("1e400"), Token('"\\u0075ser-1"'),
)  # fmt: skip
_EMAILS: Final[tuple[Any, ...]] = (
    "user-1@example.com", "USER-1@example.com", " user-2@example.com", "user-2@example.com\n", "a@b@c.de",
    "none", "n/a", "a@b", "@", "", None, 7, ["a@b.co"], {"a": "b@c.de"}, "a\\@b.co", 'a"@b.co', "ä@b.co",
    "a;b@c.de", "a@b.co, c@d.co", "<a@b.co>", "mailto:a@b.co", "a@b..co", "\0@b.co", "a\x7f@b.co",
    "shared@example.com", "x" * 300 + "@b.co", "İ@b.co", "a'b@c.de", "user-3@example.com",
)  # fmt: skip
TIMES: Final[tuple[Any, ...]] = (
    "2024-03-01T10:00:00.000Z", "2024-03-01T10:00:00Z", "2024-03-01T10:00:00.00Z", "2024-03-01T24:00:00Z",
    "2024-03-01T24:00:00.000Z", "2024-03-01T24:00:01Z", "2024-03-01T23:59:60Z", "2024-03-01T23:59:60.000Z",
    "2024-03-01T23:60:00Z", "2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "2024-02-29T00:00:00Z",
    "0000-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z", "0000-00-00T00:00:00.000Z",
    "9999-12-31T23:59:59.999Z",
    "2024-13-01T00:00:00Z", "2024-00-10T00:00:00Z", "2024-03-01T10:00:00+00:00",
    "2024-03-01T10:00:00.123456Z",
    "2024-03-01 10:00:00Z", "2024-03-01t10:00:00z", "2024-03-01", "20240301T100000Z", 1_709_287_200, 1.7e12,
    1_709_287_200_000, None, "", "soon", [], {}, True, "1969-12-31T23:59:59.999Z",
    "1582-10-10T00:00:00.000Z",
    "2024-03-01T10:00:00.000Z ", "\uff12\uff10\uff12\uff14-03-01T10:00:00Z", "1500-02-29T00:00:00Z",
    "2024-03-01T10:00:00.999Z",
)  # fmt: skip
_RECEIVED: Final[tuple[Any, ...]] = (
    *TIMES, "2023-01-01T00:00:00.000Z", "2031-01-01T00:00:00.000Z", "2024-99-99xyzZ", "zzzz-zz-zzZ", "Z",
    "9-9-9-9-9-9Z", "2024-", "----------Z", "2024-02-28T10:00:00.000Z", "2024-02-29T10:00:00.000Z",
    "éééé-éé-ééZ",
)  # fmt: skip
_DATES: Final[tuple[Any, ...]] = (
    *TIMES, "1970-01-01T00:00:00Z", "1979-01-01T00:00:00Z", "2089-12-31T23:59:59Z", "2100-01-01T00:00:00Z",
    "2020-01-01T00:00:00.1234567890Z", "2020-01-01T00:00:00-09:59", "2020-01-01T00:00:00+09:60",
    "2020-01-01T00:00:00+1000", "2018-02-28T00:00:00+00:00", "2018-04-31T00:00:00Z", 0, -5, 1e9, False,
    "01/02/2020", "Tue, 03 Mar 2020 10:00:00 GMT", 10**20, "1" * 30, Token("1e9"), "1980-01-01T00:00:00.Z",
)  # fmt: skip
VALUES: Final[tuple[Any, ...]] = (
    None, "", " ", "x", "é", "😀", True, False, 0, 1, -1, 1.0, 1.5, 100.0, 2**53 + 1, 2**63, 2**64, -(2**63),
    10**25, -(10**25), 1e-10, 0.00000001, 1e16, 1e22, 12.34, [], {}, [1], ["a", "b"], [None], [[1],
    {"a": 2}],
    {"a": 1}, {"a": {"b": {"c": 1.0}}}, {"a": None}, {"": 1}, "2024-03-01", "2024-03-01T10:00:00Z",
    "1e5", "NaN",
    "a@b.co", "x" * 400, "x" * 3000, "é" * 900, "\u2028\u2029", "\x7f", "\0", "a\\", 'q"q', "null", ":\"\"",
    Token("-0"), Token("-0.0"), Token("1e5"), Token("1E+2"), Token("1e400"), Token("0.10"), Token("1.10"),
    Token("123456789012345678901234567890"), Token("0.1234567890123456789"), Token("9007199254740993.0"),
    Token('"\\u0000"'), Token('"\\ud800"'), Token('"\\ud83d\\ude00"'), Token('"\\/"'), Token('"\\u00e9"'),
    Token("NaN"), Token("nan"), Token("-nan"), Token("Infinity"), Token("-Infinity"), Token("inf"),
    Token("+1"),
    Token("01"), Token(".5"), Token("1."), Token("[1,]"), Token('{"a":1,}'), Token("[1 , 2]"),
    Token("TRUE"),
    Token('{"a":1,"a":2}'), Token('{"a":1,"\\u0061":null}'), Token('"\\x"'), Token("'x'"), Token("[,]"),
    Token(""),
    Token('{"email":"a@b.co"}'), Token('[{"email":"a@b.co"}]'), Token("0.30000000000000004"),
    Token("5e-324"),
    Token("2.2250738585072011e-308"), Token("1.7976931348623157e308"), Token("18446744073709551616.0"),
)  # fmt: skip
KEYS: Final = (
    "plan", "email", "Email", "e-mail", "E_MAIL", "em\\u0061il", "phone", "Phone", "createdAt",
    "created_at",
    "created", "CREATED AT", "created*at", "*created*", "created[0]", "$.created", "created.at",
    "'created'",
    "cre\\u0061ted", "created\\\"at", "cr\\u00e9ated", "language", "Language", "url", "path",
    "u\\u0072l", "name",
    "title", "a.b", "a[0]", "$", "$.plan", "]", "[", "", " ", "plan_amount", "plan_date", "plan_array",
    "seats",
    "seats_amount", "revenue", "price_date",
    "\\\"", "\\\\", "é", "😀", "\\u0000", "\\ud83d", "id", "Id", "ID",
    "x" * 70, "x" * 300, "nan", "inf", "properties", "traits", "userId", "end_user", "tags", "plan\u2028",
    "address", "address.city", "address_city", "currency", "sku", "vip", "\x7f",
)  # fmt: skip
_EVENTS: Final[tuple[Any, ...]] = (
    "Signed Up", "signed up", 'Say "Hi"', "back\\slash", "emoji 😀", "ünïcode", "", " ", None, 7, [],
    "a'b", "100%",
    "under_score", "bang!", "Signed Up ", "x" * 300, "\u2028", "\0", Token('"Sign\\u0065d Up"'),
    Token('"\\ud800"'),
)  # fmt: skip
_NAMES: Final[tuple[Any, ...]] = (
    None, "", " ", "Home", 7, 1.0, True, [], {},
    'a"b', "a\\b", "é", "null", Token('"H\\u006fme"'), "x" * 2000,
)  # fmt: skip
_PLACES: Final[tuple[Any, ...]] = (
    None, "", " ", "/a", "https://example.com/a?b=c#d", 7, 1.5, True, [], ["/a"], {}, {"url": "/b"},
    'a"b', "a\\b",
    "é", Token('"\\/a"'), "x" * 2000, Token('"\\u002fa"'), "/a ",
)  # fmt: skip
INTEGRATIONS: Final[tuple[Any, ...]] = (
    None, {}, [], {"All": True}, {"all": True}, {"All": False}, {"ALL": "false"}, {"Wootric": False},
    {"All": False, "Wootric": True}, {"wootric": {"enabled": False}}, {"InMoment": False}, {"In-Moment": 0},
    {"in_moment (Wootric)": "no"}, {"Mixpanel": False}, {"a-l-l": False},
    {"Mixpanel": {"Wootric": False}}, "x",
    "", "{}", '{"All":false}', ["x"], 7, {"W\\u006fotric": False}, {"\\u0061ll": False},
    {"\uff21ll": False},
    {"All": True, "Mixpanel": {"a": 1}}, {"\uff41ll": False}, {"\u2160nmoment": False},
    {"\u0131nmoment": False},
    Token('{"All":true,"All":false}'), Token('{"All":false,"All":true}'), Token('{ "All" : true }'),
    {"Salesforce": True, "Google Ads": False}, {"A.L.L.": 0}, {"ball": False}, {"in moment": False},
)  # fmt: skip
_CONSENTS: Final[tuple[Any, ...]] = (
    None, {}, {"categoryPreferences": {"a": False}}, {"categoryPreferences": {"a": True, "b": False}}, "no",
    {"destinationPreferences": {"Wootric": False}}, {"defaultDestinationBehavior": "off"}, False, "", [],
)  # fmt: skip
_EXTERNAL_IDS: Final[tuple[Any, ...]] = (
    None, [], {}, [{"type": "wootricEndUserId", "id": "7"}], [{"type": "wootricEndUserId", "id": 8}],
    [{"type": "x", "id": "7"}], "x", [{"type": "wootricEndUserId", "id": "a"}],
)  # fmt: skip
OBJECTS: Final[tuple[Any, ...]] = (
    None, {}, [], [1], "x", "", "{}", '{"email":"text@b.co"}', ' {"plan":"pro"} ', 7, 1.5, True, "[]", "{",
    {"email": "only@b.co"}, Token('{"a":1}'), Token("{ }"), Token('{"plan": "pro"}'), Token("NaN"), "null",
)  # fmt: skip
_TYPES: Final[tuple[Any, ...]] = (
    "Identify", "TRACK", "page", "track", "identify", "screen", "group", "alias", "Alias", "GROUP", "",
    None, 7,
    "nothing", "trac\u212a", "page ", ["page"], Token('"p\\u0061ge"'),
)  # fmt: skip
_FIELDS: Final = (
    "type", "userId", "anonymousId", "messageId", "timestamp", "receivedAt", "originalTimestamp", "sentAt",
    "traits", "properties", "context", "integrations", "event", "name", "category", "previousId", "options",
    "providers", "batch", "groupId", "version", "channel", "projectId", "writeKey", "_metadata", "extra",
    "",
    "source", "record", "key",
)  # fmt: skip
_GARBAGE: Final = (
    b"", b" ", b"\t", b"{", b"}", b"[]", b"null", b"7", b'""', b"\xff", b"\xef\xbb\xbf", b"{}", b"\x00",
    b"x",
    b"{}{}", b'{"batch":[]}', b"[" * 1100, b"NaN", b'{"type":"track"}', b"\x0b", b"\x1c",
)  # fmt: skip


def _loose(value: Any) -> Any:
    """Return a JSON value with its objects as pairs."""
    if isinstance(value, dict):
        return Pairs(
            (orjson.dumps(key).decode()[1:-1], _loose(each)) for key, each in value.items()
        )
    return [_loose(each) for each in value] if isinstance(value, list) else value


def _written(value: Any, chance: random.Random, loose: bool) -> str:
    """Write a value; with white space where it may stand if `loose`."""

    def blank() -> str:
        return chance.choice(("", "", " ", "\t", "  ")) if loose else ""

    if isinstance(value, Token):
        return value.text
    if isinstance(value, Pairs):
        fields = (
            f'{blank()}"{key}"{blank()}:{blank()}{_written(each, chance, loose)}{blank()}'
            for key, each in value
        )
        return "{" + ",".join(fields) + "}"
    if isinstance(value, dict):
        # Keys of made-up values are written as they stand, so that they may hold escapes.
        return _written(Pairs(value.items()), chance, loose)
    if isinstance(value, list):
        return "[" + ",".join(_written(each, chance, loose) for each in value) + "]"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return orjson.dumps(value).decode()


Change: TypeAlias = Callable[[Pairs, random.Random], None]


def _setting(field: str, values: Sequence[Any]) -> Change:
    return lambda record, chance: record.put(field, chance.choice(values))


def _within(place: str, change: Change) -> Change:
    """Change an object in the record; it is there afterwards, unless it is something else."""

    def changed(record: Pairs, chance: random.Random) -> None:
        inner = record.get(place)
        if inner is None:
            inner = Pairs()
            record.put(place, inner)
        if isinstance(inner, Pairs):
            change(inner, chance)

    return changed


def _add_any(fields: Pairs, chance: random.Random) -> None:
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(fields) + 1)
        fields.insert(at, (chance.choice(KEYS), chance.choice(VALUES)))


def _again(fields: Pairs, chance: random.Random) -> None:
    """Let a key occur once more, with another value, before or behind the first."""
    if fields:
        key, value = chance.choice(fields)
        value = chance.choice((value, chance.choice(VALUES), chance.choice(IDS)))
        fields.insert(
            chance.randrange(len(fields) + 1), (chance.choice((key, _escaped(key))), value)
        )


def _escaped(key: str) -> str:
    return f"\\u{ord(key[0]):04x}{key[1:]}" if key and key[0] < "\x7f" and key[0] != "\\" else key


def _odd_field(record: Pairs, chance: random.Random) -> None:
    values = (*VALUES, *OBJECTS, *INTEGRATIONS)
    field = chance.choice(_FIELDS)
    at = chance.randrange(len(record) + 1)
    record.insert(at, (chance.choice((field, _escaped(field))), chance.choice(values)))


def _without(record: Pairs, chance: random.Random) -> None:
    if record:
        del record[chance.randrange(len(record))]


def _made_up_for(record: Pairs, chance: random.Random) -> None:
    """Add a field, and make the line as much shorter than it is read to be: 1e1 is read as 10.0."""
    values: tuple[Any, ...] = ("user-3", "track", "x", "2024-03-01T10:00:00.000Z", Token("{}"), 7)
    key, value = chance.choice(_FIELDS), chance.choice(values)
    added = len(key) + 4 + len(_written(value, chance, False))
    record.insert(chance.randrange(len(record) + 1), (key, value))
    place = chance.choice(("context", "context", "traits", "properties", "_metadata"))
    _within(place, lambda inner, _: inner.append(("g", [Token("1e1")] * added)))(record, chance)


def _deep(fields: Pairs, chance: random.Random) -> None:
    depth = chance.choice((5, 60, 400, 600, 1000, 1020, 1023, 1024, 1025, 1030, 2000))
    opening, closing = chance.choice((("[", "]"), ('{"a":', "}")))
    fields.append(("deep", Token(opening * depth + chance.choice(("1", "[]")) + closing * depth)))


def _grown(fields: Pairs, chance: random.Random) -> None:
    sizes = (300, 1000, 1500, 2900, 8000, 20_000)
    fields.append((chance.choice(KEYS), chance.choice("xé") * chance.choice(sizes)))


_CHANGES: Final[tuple[Change, ...]] = (
    *(_setting(field, IDS) for field in ("userId", "userId", "anonymousId", "messageId", "previousId")),
    _setting("timestamp", TIMES), _setting("receivedAt", _RECEIVED), _setting("originalTimestamp", TIMES),
    _setting("event", _EVENTS), _setting("name", _NAMES), _setting("category", _NAMES), _setting("type",
    _TYPES),
    _setting("integrations", INTEGRATIONS), _setting("options", ({"integrations": {"All": False}}, {},
    None, 7)),
    _setting("providers", ({"Wootric": False}, {}, None)),
    *(_setting(field, OBJECTS) for field in ("traits", "properties", "context")),
    *(_within(place, _add_any) for place in ("traits", "traits", "properties", "properties", "context")),
    *(_within(place, _again) for place in ("traits", "properties", "context", "integrations")),
    *(_within(place, _deep) for place in ("traits", "properties", "context")),
    *(_within(place, _grown) for place in ("traits", "properties", "context")),
    *(_within("traits", _setting("email", _EMAILS)) for _ in range(3)),
    *(_within("traits", _setting(key, _DATES)) for key in ("createdAt", "created", "created_at")),
    _within("traits", _setting("phone", ("+15550001", "x", 15550001, None))),
    _within("traits", _setting("plan", VALUES)), _within("traits", _setting("language", VALUES)),
    _within("properties", _setting("email", _EMAILS)), _within("properties", _setting("language", VALUES)),
    *(_within("properties", _setting(key, _PLACES)) for key in ("url", "path", "title")),
    _within("properties", _setting("name", _NAMES)), _within("properties", _setting("revenue", VALUES)),
    _within("context", _setting("traits", ({"email": "ctx@b.co"}, {}, None, "x", {"phone": "+15550009"}))),
    _within("context", _setting("page", ({"url": "/ctx"}, None, "x", {"path": 7}))),
    _within("context", _setting("consent", _CONSENTS)), _within("context", _setting("externalId",
    _EXTERNAL_IDS)),
    _within("context", _setting("integrations", INTEGRATIONS)), _within("context", _setting("nan", VALUES)),
    _again, _again, _odd_field, _odd_field, _without, _without, _made_up_for,
)  # fmt: skip


def _noise(line: bytes, chance: random.Random) -> bytes:
    """Spoil a few bytes of a line."""
    kind = chance.randrange(9)
    at = chance.randrange(len(line) + 1)
    if kind == 0:
        return line[:at]
    if kind == 1:
        byte = chance.choice(
            (b"\0", b"\x01", b"\x7f", b"\xff", b"\xe2\x80\xa8", b"\xed\xa0\x80", b"\r")
        )
        return line[:at] + byte + line[at:]
    if kind == 2:
        return chance.choice((b" ", b"\t", b"\xef\xbb\xbf", b",", b"\x0b", b"\xc2\xa0")) + line
    if kind == 3:
        return line + chance.choice(
            (b" ", b",", b"\r", b"\x00", b"x", b"{}", b" {}", b"}", b"\x0b")
        )
    if kind == 4:
        return line.replace(b"}", b",}", 1)
    if kind == 5:
        return b'{"batch":[' + line + b"]}"
    if kind == 6:
        return line + line
    if kind == 7:
        return (
            b'{"source":"a","line":1,"code":"x","record":'
            + orjson.dumps(line.decode(errors="replace"))
            + b"}"
        )
    return line[:at] + line[at + 1 :]


def nasty_line(chance: random.Random) -> bytes:
    """Return a line, without its ending, that is ordinary but for up to three changes."""
    if chance.random() < 0.03:
        return chance.choice(_GARBAGE)
    record = _loose(chance.choice(_ORDINARY))
    assert isinstance(record, Pairs)
    if chance.random() < 0.3:
        record.put("timestamp", chance.choice(TIMES[:2]))
        record.put("receivedAt", record.get("timestamp"))
    for _ in range(chance.choice((0, 1, 1, 1, 1, 2, 3))):
        chance.choice(_CHANGES)(record, chance)
    line = _written(record, chance, chance.random() < 0.08).encode()
    return _noise(line, chance) if chance.random() < 0.06 else line


def nasty_export(lines: Sequence[bytes], chance: random.Random) -> bytes:
    """Join lines to the content of a file, mostly with plain line endings."""
    ending = b"\r\n" if chance.random() < 0.03 else b"\n"
    content = ending.join(line.replace(b"\n", b" ") for line in lines)
    if chance.random() < 0.03:
        content = b"\xef\xbb\xbf" + content
    return content + (ending if chance.random() < 0.8 else b"")
