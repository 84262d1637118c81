"""What `main` hands to all commands, as the object of click's context."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from wootric_map.account import Connect
    from wootric_map.redaction.redaction import Redaction


class RunContext(NamedTuple):
    """What all commands of a run share."""

    redaction: "Redaction | None"
    """Hides personal data; None where nothing is to be hidden."""
    connect: "Connect | None"
    """Makes a client of an account; None for the library's own."""
