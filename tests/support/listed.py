"""An account's list of end users, as wootric.md 3 has it, without HTTP."""

from collections.abc import Iterable
from typing import Any

from wootric_map.wootric import listing
from wootric_map.wootric.listing import Query


class Listed:
    """Answers queries; counts them."""

    def __init__(self, seconds: Iterable[int]) -> None:
        """Hold an end user for each of these seconds."""
        ordered = sorted(seconds)
        self.rows: list[dict[str, Any]] = [
            {"id": number, "created_at": second, "email": f"u{number}@example.com"}
            for number, second in enumerate(ordered, 1)
        ]
        self.queries: list[Query] = []

    def add(self, second: int, **fields: object) -> None:
        """One more, created last."""
        self.rows.append({"id": len(self.rows) + 1, "created_at": second, **fields})

    def __call__(self, query: Query) -> list[dict[str, Any]]:
        assert query["sort_key"] == "created_at"
        page, per_page = int(query["page"]), int(query["per_page"])
        assert 1 <= page <= listing.PAGES
        assert per_page == listing.PER_PAGE
        self.queries.append(query)
        low, before = query.get("created[gte]"), query.get("created[lt]")
        since = query.get("updated[gte]")
        found = [
            row
            for row in self.rows
            if (low is None or row["created_at"] >= int(low))
            and (before is None or row["created_at"] < int(before))
            and (since is None or row.get("updated_at", row["created_at"]) >= int(since))
        ]
        if query["sort_order"] == "desc":
            found.reverse()
        return found[(page - 1) * per_page : page * per_page]
