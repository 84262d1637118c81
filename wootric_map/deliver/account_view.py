"""How a push comes to know the account: by look-ups, a snapshot, the account's list, or not at all."""

from dataclasses import dataclass

from wootric_map.deliver.account_walk import AccountWalk
from wootric_map.deliver.existing_policy import may_create_first
from wootric_map.deliver.journal import Journal
from wootric_map.deliver.knowledge import Knowledge
from wootric_map.deliver.known_end_users import KnownEndUsers
from wootric_map.plan.plan import Plan
from wootric_map.plan.steps import Find


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """What a push compares its plan with."""

    find: Find | None = None
    """Looks an end user up; None if Wootric is taken to hold nobody."""
    is_snapshot: bool = False
    """Whether `find` looks into a snapshot, without a call."""
    known: KnownEndUsers | None = None
    """What the run knows of the account; None if each end user is looked up with `find`."""
    walk: AccountWalk | None = None
    """Reads the account's list into `known`; None without `known`."""

    @property
    def is_read_whole(self) -> bool:
        """Whether no end user is to be looked up any more: all are known, or nobody is there."""
        return self.find is None or (self.known is not None and self.known.is_complete)

    @property
    def snapshot(self) -> Find | None:
        """Looks an end user up in a snapshot; None if there is none."""
        return self.find if self.is_snapshot else None

    @property
    def find_without_calls(self) -> Find | None:
        """Looks an end user up without a call; None unless the whole account is known that way."""
        if self.known and self.known.is_complete:
            return self.known.find
        return self.snapshot

    def knowledge(self, plan: Plan, journal: Journal) -> Knowledge | None:
        """Return what is known of the account without a call; None if it is taken to hold nobody."""
        is_met = journal.end_users.has_met
        if self.known:
            return Knowledge(self.known.look_up, is_met, creates_first=may_create_first(plan))
        if self.find is None:
            return None
        return Knowledge.whole(self.find, is_met) if self.is_snapshot else Knowledge.none(is_met)

    def end(self) -> None:
        """Delete the list that was kept, if it has turned out to be wrong."""
        if self.known and self.walk and self.known.is_distrusted:
            self.walk.forget_kept()
