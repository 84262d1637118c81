"""What becomes of a record: skipped, rejected (segment.md 2), delivered or failed."""

from collections.abc import Collection
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from wootric_map.mapping.properties import MappingWarning

Action: TypeAlias = Literal[
    "create", "update", "unchanged", "left", "eligibility_check", "page_view"
]
"""What is done about an end user or an event. `left` is an end user who is not as wanted, and stays as they
are, since the push is not to change them."""


CALLS: Final[tuple[Action, ...]] = ("create", "update", "eligibility_check", "page_view")
"""The actions that send something."""


class Skip(NamedTuple):
    """A record that is fine, but not for Wootric."""

    code: str
    """Stable, from the table of segment.md 2."""
    type: str
    field: str | None
    message: str
    reason: str | None = None
    """Of an `unidentified` one: a word for why nobody could be found."""
    ties: tuple[str, str] | None = None
    """Of an alias: the two ids that it says are one user's."""
    withheld: Any = None
    """Of an identify whose user opted out: the `record.Identify`. It is not sent, but its ids count to tell
    whether an id is ambiguous (segment.md 8)."""
    warnings: tuple[MappingWarning, ...] = ()
    """What was wrong with a record beside the reason why it is skipped."""


REJECTIONS: Final = frozenset(
    {
        "invalid_json",
        "line_too_long",
        "not_an_object",
        "missing_type",
        "unknown_type",
        "missing_identity",
        "missing_event",
        "invalid_traits",
        "invalid_properties",
        "invalid_context",
        "invalid_integrations",
        "invalid_timestamp",
        "truncated_input",
    }
)
"""Every code that a rejection may have (segment.md 2)."""


class Rejection(NamedTuple):
    """A record, or a line that should have been one, that is wrong."""

    code: str
    """One of `REJECTIONS`."""
    field: str | None
    message: str
    """What a person should mend."""


class Ref(NamedTuple):
    """A record that a call was made from."""

    number: int
    """Its number in the plan, for `Plan.raw`."""
    source: str
    line: int


class Failure(NamedTuple):
    """Why a delivery failed."""

    code: str
    """`ambiguous_id` (of a saved plan: several people carry an id in it), `refused`, `redirected`,
    `bad_reply` (of somebody else, or senseless), `server_error`, `too_fast`, `unreachable`, `in_doubt`
    (sent, but not answered) or `end_user_failed` (not sent, since its end user's own call failed)."""
    message: str
    status: int | None = None
    """Wootric's HTTP status."""
    body: str | None = None
    """Wootric's own words."""


class Outcome(NamedTuple):
    """What became of one call, or of the records that would have made it."""

    action: Action
    refs: Collection[Ref]
    """The records it was made from."""
    result: Skip | Failure | None
    """None where it was delivered, or there was nothing to do."""
    key: str | None = None
    """Of an eligibility check or page view: what tells its record from every other."""
    event: str | None = None
    """Of an eligibility check: the name of its event."""
    is_eligible: bool = False
    """Of one that was delivered: whether Wootric would survey the user."""
    look_ups: int = 0
    """How many look-ups the account was asked for its end user, at most."""


class StoppedError(Exception):
    """The run was told to stop."""


class WootricError(Exception):
    """Wootric could not do what it was asked; the message is for a person."""


class SignInRefusedError(WootricError):
    """The credentials, or the token they gave, were refused."""


class UnreachableError(WootricError):
    """No connection, or no answer, however often it was tried."""


class NotBelievedError(WootricError):
    """Wootric's replies can't be believed, one after the other."""


class NoAnswerError(WootricError):
    """A call that must not be repeated was sent, and no answer came: it may have been taken."""


class CallFailedError(WootricError):
    """Wootric answered that it won't do this; trying again would not help."""

    def __init__(self, code: str, message: str, status: int | None, body: str | None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.body = body

    @property
    def failure(self) -> Failure:
        """What it means for the delivery."""
        return Failure(self.code, str(self), self.status, self.body)
