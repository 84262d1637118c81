"""Made-up end users of an export, and how an account holds them, for tests that count calls."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from replaying import Replay, alias, at, identify, page, track

OTHERS = 60
"""End users who make the list longer than one page."""


@dataclass(frozen=True)
class Somebody:
    """An end user of the export, and how the account holds them."""

    ids: str
    """`both`, `user`, `email`, `phone`, `older` (another userId before) or `wootric` (Wootric's own, too)."""
    held: str
    """`no`, `same`, `other` (with another value), `by_email`, `by_user` or `split` (two end users)."""
    events: int
    is_identified: bool

    def records(self, number: int) -> Iterator[dict[str, Any]]:
        user, email, phone = f"u{number}", f"u{number}@x.io", f"+44 20 7946 {number:04}"
        who: dict[str, Any] = {"email": email} if self.ids in {"email", "both", "older"} else {}
        if self.ids == "wootric":
            context = {"externalId": [{"type": "wootricEndUserId", "id": str(9000 + number)}]}
        else:
            context = {}
        if self.ids == "phone":
            who = {"phone": phone}
        if self.ids == "older":
            yield at(1, identify(f"old{number}", email))
            yield at(1, alias(f"old{number}", user))
        name = "" if self.ids == "email" else user
        if self.is_identified:
            yield self._by(name, email, at(2, identify(user, **who, plan="pro")), context)
            yield self._by(name, email, at(3, identify(user, **who, seats="5")), context)
        for each in range(self.events):
            made = page(user, f"/{each}") if each % 2 else track(user)
            yield self._by(name, email, at(4, made), context)

    def _by(
        self, name: str, email: str, record: dict[str, Any], context: dict[str, Any]
    ) -> dict[str, Any]:
        """The record, of an email alone if there is no name."""
        record = record | ({"context": context} if context else {})
        if name:
            return record
        record = {**record, "anonymousId": f"d-{email}"}
        del record["userId"]
        return record

    def put(self, replay: Replay, number: int) -> None:
        user, email, phone = f"u{number}", f"u{number}@x.io", f"+44 20 7946 {number:04}"
        if self.held in {"same", "other"}:
            plan = "pro" if self.held == "same" else "free"
            replay.holds(user, email, phone_number=phone, plan=plan, seats="5")
        elif self.held == "by_email":
            replay.holds(None, email)
        elif self.held == "by_user":
            replay.holds(user, f"former{number}@x.io")
        elif self.held == "split":
            replay.holds(user, f"former{number}@x.io")
            replay.holds(None, email)


PEOPLE = st.lists(
    st.builds(
        Somebody,
        ids=st.sampled_from(["both", "both", "user", "email", "phone", "older", "wootric"]),
        held=st.sampled_from(["no", "no", "same", "other", "by_email", "by_user", "split"]),
        events=st.integers(0, 2),
        is_identified=st.sampled_from([True, True, True, False]),
    ),
    min_size=1,
    max_size=5,
)


def fill(replay: Replay, people: Sequence[Somebody], *, is_large: bool) -> None:
    """Put people into an account; into a large one, every other of them after a page of others."""
    for number, each in enumerate(people):
        if is_large and number % 2:
            each.put(replay, number)
    for number in range(OTHERS if is_large else 0):
        replay.holds(f"other{number}", f"other{number}@x.io")
    for number, each in enumerate(people):
        if not (is_large and number % 2):
            each.put(replay, number)
