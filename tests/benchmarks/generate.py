"""Write a mixed export of a chosen size: the same for the same seed, on every machine.

Example: python tests/benchmarks/generate.py --records 100000 --users 10000 > export.ndjson
"""

import argparse
import random
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

EVENTS = ("Signed Up", "Order Completed", "Plan Upgraded", "Product Viewed", "Search Performed")
PATHS = ("/", "/pricing", "/docs", "/blog/how-we-measure", "/account", "/checkout")
CITIES = ("Lisbon", "Nairobi", "Oslo", "Lima", "Kyoto", "Tallinn")
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)


def records(count: int, users: int, seed: int) -> Iterator[dict[str, Any]]:
    """Make `count` records of `users` users: a quarter identifies, half tracks, a quarter pages."""
    # Seeded, so that every machine measures the same export; nothing here is a secret.
    chance = random.Random(seed)
    for number in range(count):
        user = number if number < users else chance.randrange(users)
        kind = (
            "identify" if number < users else chance.choice(("identify", "track", "track", "page"))
        )
        yield _record(kind, user, chance)


def _record(kind: str, user: int, chance: random.Random) -> dict[str, Any]:
    time = BEGIN + timedelta(
        seconds=chance.randrange(365 * 86400), milliseconds=chance.randrange(1000)
    )
    path = chance.choice(PATHS)
    common = {
        "type": kind,
        "messageId": str(uuid.UUID(int=chance.getrandbits(128))),
        "anonymousId": str(uuid.UUID(int=chance.getrandbits(128))),
        "userId": f"user-{user}",
        "timestamp": time.isoformat().replace("+00:00", "Z"),
        "context": {
            "ip": f"203.0.113.{chance.randrange(256)}",
            "library": {"name": "analytics.js", "version": "2.11.1"},
            "locale": "en-GB",
            "page": {
                "path": path,
                "url": f"https://example.com{path}",
                "title": "Example",
                "search": "",
            },
            "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)",
        },
        "integrations": {},
        "channel": "client",
        "originalTimestamp": time.isoformat(),
        "receivedAt": time.isoformat(),
        "version": 2,
    }
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
    return common | {
        "name": "Example",
        "properties": {
            "path": path,
            "url": f"https://example.com{path}",
            "title": "Example",
            "referrer": "",
        },
    }


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
