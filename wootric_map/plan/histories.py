"""What the group calls and the events of all runs have come to, as a journal remembers it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from wootric_map.plan.event_history import EventHistory
from wootric_map.plan.group_traits import GroupFold


class Ids(NamedTuple):
    """The ids that a record names its user by, as fingerprints; 0 stands for none."""

    user: int
    """The `userId`."""
    email: int
    """The email, to which the record belongs if there is no `userId`, or several people carry either."""


class Membership(NamedTuple):
    """That somebody is in a group; of two of one end user, the greater is the later."""

    time: int
    """Milliseconds since the epoch, or `NO_TIME`."""
    has_message: bool
    """Whether the group call has a message id; of one time, calls without one come first."""
    tie: str
    """The message id, or a digest of the line of a call without one."""
    group: bytes
    """The fingerprint of the group."""


class Member(NamedTuple):
    """An end user of Wootric's who is in a group by what earlier runs read."""

    number: int
    """Wootric's own id."""
    prints: Collection[int]
    """The fingerprints of all ids that are known to be theirs."""
    group: bytes
    """The fingerprint of the group."""


class RolledEvent(NamedTuple):
    """An event that is rolled up."""

    ids: Ids
    spec: bytes
    """What counts of the event, as `Histories.spec` returns it."""
    key: str
    """The text that tells this event from every other one."""
    history: EventHistory
    """The history of this event alone."""


class Histories(Protocol):
    """Remembers over all runs who is in which group, what is stated about groups, and what events came to.

    What is added twice counts once, and the order in which runs add does not matter.
    """

    def group_print(self, group_id: str) -> bytes:
        """Return the fingerprint of a group; every run gives the same."""

    def add_group_traits(self, folds: Iterable[tuple[bytes, GroupFold]]) -> None:
        """Add what group calls state about groups, each by its fingerprint."""

    def group_traits(self, group: bytes) -> GroupFold:
        """Return what all runs state about a group, by its fingerprint."""

    def add_memberships(self, told: Iterable[tuple[Ids, Membership]]) -> None:
        """Add who is in which group."""

    @property
    def has_members(self) -> bool:
        """Whether anybody is in any group."""

    def membership(self, prints: Collection[int]) -> Membership | None:
        """Return the latest membership of an end user, by all ids of theirs; None if there is none."""

    def spec(self, event: str, keys: Sequence[str]) -> bytes:
        """Return the fingerprint of an event, by its name, and of what counts of it (`Rolled.counting`)."""

    def add_events(self, events: Iterable[RolledEvent]) -> None:
        """Add events; one that any run has added does not count again."""

    def events(
        self, prints: Collection[int], specs: Collection[bytes]
    ) -> Mapping[bytes, EventHistory]:
        """Return what the events of an end user came to, by what `spec` returned; `prints` are all ids."""

    def members(self, groups: Collection[bytes]) -> Iterator[Member]:
        """Yield the end users, of those that any run has left in Wootric, who are in one of these groups."""
