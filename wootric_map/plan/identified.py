"""An identify record in the form that the fold needs."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from wootric_map.mapping.identity import Origin, User
from wootric_map.model import Ref
from wootric_map.plan.people import NO_TIME
from wootric_map.plan.trait_history import Order
from wootric_map.read.record import ExternalId, Fields, OptOut

_DIGITS: Final = 16
"""Hex digits of a line's digest that are enough to tell the line from others of the same time."""


class Identified(NamedTuple):
    """An identify record, or what a track or page record states about its end user."""

    ref: Ref
    time: int | None
    chosen: bool
    """Whether the identify is replayed; else it only helps to tell who is who."""
    user: User
    origins: Mapping[str, Origin]
    """Where each field of `user` comes from, by the field's name in Wootric."""
    traits: Fields
    key: str = ""
    """The text that tells this record from every other one, whatever file holds it."""
    has_message: bool = False
    """Whether `key` is the record's message id."""
    is_event: bool = False
    """Whether this is a track or page record, which states an email or phone that no identify states."""
    parent: str = "traits"
    """Where the traits stand in the record: `traits` or `context.traits`."""
    group_id: str | None = None
    """For a group call, which states no trait of its user, the group that the user is in."""
    opt_out: OptOut | None = None
    """What this identify says about surveys; None if it says nothing."""
    external_id: ExternalId | None = None
    """What this identify says about the external id; None if the `userId` is that."""

    @property
    def order(self) -> Order:
        """The place of this identify among all identifies of all runs."""
        tie = self.key if self.has_message else self.key[:_DIGITS]
        return Order(NO_TIME if self.time is None else self.time, self.has_message, tie)
