"""Write a mixed export of a chosen size: the same for the same seed, on every machine.

Example: python tests/benchmarks/generate.py --records 100000 --users 10000 > export.ndjson
"""

import argparse
import random
import sys
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

MIX = (
    *(["identify"] * 19 + ["track"] * 54 + ["page"] * 20),
    *("screen", "group", "alias", "visit", "visit", "repeat", "repeat"),
)
"""What a hundred records are, beside the first identify of each user.

A visit is a page view of somebody who never logs in, a repeat a record that is delivered once more.
"""

EVENTS = ("Signed Up", "Order Completed", "Plan Upgraded", "Product Viewed", "Search Performed")
PATHS = ("/", "/pricing", "/docs", "/blog/how-we-measure", "/account", "/checkout")
CITIES = ("Lisbon", "Nairobi", "Oslo", "Lima", "Kyoto", "Tallinn")
TIMEZONES = ("Europe/Lisbon", "Africa/Nairobi", "Europe/Oslo", "America/Lima", "Asia/Tokyo")
BRANDS = [{"brand": "Chromium", "version": "124"}]
CAMPAIGNS: tuple[dict[str, str], ...] = (
    {},
    {},
    {"name": "spring", "source": "newsletter", "medium": "email"},
    {"name": "launch", "source": "search", "medium": "cpc", "term": "nps survey"},
)
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
REMEMBERED = 500
"""How many records back a repeat may reach."""


def records(count: int, users: int, seed: int) -> Iterator[dict[str, Any]]:
    """Make `count` records of `users` users, each of whom is identified at least once."""
    # Seeded, so that every machine measures the same export; nothing here is a secret.
    chance = random.Random(seed)
    latest: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
    every = max(count // users, 1)
    for number in range(count):
        newcomer, later = divmod(number, every)
        if not later and newcomer < users:
            record = _record("identify", newcomer, chance)
        else:
            kind = chance.choice(MIX)
            if kind == "repeat":
                record = chance.choice(latest)
            else:
                record = _record(kind, chance.randrange(users), chance)
        latest.append(record)
        yield record


def _record(kind: str, user: int, chance: random.Random) -> dict[str, Any]:
    time = BEGIN + timedelta(milliseconds=chance.randrange(365 * 86_400_000))
    written = time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    path = chance.choice(PATHS)
    url = f"https://example.com{path}"
    anonymous_id = (
        _uuid(chance.getrandbits(128)) if kind == "visit" else _device(user, chance.randrange(2))
    )
    common = {
        "anonymousId": anonymous_id,
        "context": {
            "campaign": chance.choice(CAMPAIGNS),
            "ip": f"203.0.113.{chance.randrange(256)}",
            "library": {"name": "analytics.js", "version": "npm:next-1.70.0"},
            "locale": "en-GB",
            "page": {
                "path": path,
                "referrer": "",
                "search": "",
                "title": "Example",
                "url": url,
            },
            "timezone": chance.choice(TIMEZONES),
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/124.0.0.0",
            "userAgentData": {"brands": BRANDS, "mobile": False, "platform": "Linux"},
        },
        "integrations": {},
        "messageId": f"ajs-next-{chance.getrandbits(128):032x}",
        "originalTimestamp": written,
        "receivedAt": written,
        "timestamp": written,
        "type": "page" if kind == "visit" else kind,
    }
    if kind != "visit":
        common["userId"] = f"user-{user}"
    if kind == "identify":
        return common | {
            "traits": {
                "email": f"user-{user}@example.com",
                "name": f"User {user}",
                "createdAt": (BEGIN - timedelta(days=user % 900)).isoformat(),
                "plan": chance.choice(("free", "pro", "team")),
                "seats_amount": chance.randrange(1, 50),
                "address": {"city": chance.choice(CITIES), "country": "PT"},
                "vip": chance.random() < 0.1,
                "tags": ["beta", "import"],
            }
        }
    if kind == "track":
        return common | {
            "event": chance.choice(EVENTS),
            "properties": {
                "revenue": round(chance.random() * 100, 2),
                "currency": "EUR",
                "sku": f"S-{user % 97}",
            },
        }
    if kind == "group":
        return common | {"groupId": f"company-{user % 1000}", "traits": {"plan": "team"}}
    if kind == "alias":
        return common | {"previousId": anonymous_id}
    return common | {
        "name": "Example",
        "properties": {
            "path": path,
            "referrer": "",
            "search": "",
            "title": "Example",
            "url": url,
        },
    }


def _device(user: int, number: int) -> str:
    """The id of one of a user's devices; always the same."""
    return _uuid((2 * user + number) * 0x9E3779B97F4A7C15F39CC0605CEDC835)


def _uuid(number: int) -> str:
    digits = f"{number % (1 << 128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def main() -> None:
    """Write the export to standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for record in records(options.records, options.users, options.seed):
        sys.stdout.buffer.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))


if __name__ == "__main__":
    main()
