"""The settings of a sandbox."""

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from wootric_map.sandbox.faults import FaultRule

_ACCOUNT_TOKEN: Final = re.compile(r"NPS-(?:EU-|AU-)?[A-Za-z0-9]{8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """The single account of a sandbox, and the sandbox's behaviour.

    Raises:
        ValueError: a field is outside its range; the message names the field.
    """

    account_token: str = "NPS-5a4db0c5"  # noqa: S105 - public by nature, and this account is invented
    """`NPS-`, `NPS-EU-` or `NPS-AU-`, followed by 8 letters or digits (wootric.md 1)."""

    client_id: str = "sandbox-client-id"
    """The client id for the client credentials grant."""

    client_secret: str = field(default="sandbox-client-secret", repr=False)
    """The client secret for the client credentials grant."""

    username: str = "sandbox@example.com"
    """The user name for the password grant."""

    password: str = field(default="sandbox-password", repr=False)
    """The password for the password grant."""

    registered_events: tuple[str, ...] = ("Order Completed", "Plan Upgraded", "Signed Up")
    """The registered event names; an empty tuple is an account without Targeted Sampling (wootric.md 5)."""

    rate_limit: int | None = None
    """Requests per window and endpoint; None is no limit, and no rate-limit headers (wootric.md 4)."""

    rate_window: float = 60.0
    """Seconds of a window. It ends at a whole unix second, and so may last up to a second longer."""

    latency: float = 0.0
    """Seconds that each request waits before it is answered; requests wait side by side."""

    token_lifetime: int = 7200
    """Seconds until an access token expires (wootric.md 2)."""

    properties_as_text: bool = False
    """Whether replies to POST and PUT of an end user show its properties as a Ruby hash in text.

    Some of Wootric's own examples do: `{"plan"=>"pro"}` (wootric.md 3).
    """

    error_rate: float = 0.0
    """The share, from 0 to 1, of REST, eligibility and pixel requests that fail with 500 or 503.

    They are not carried out.
    """

    seed: int | None = None
    """The seed for the draw of these errors; None is a different draw each time."""

    faults: "tuple[FaultRule, ...]" = ()
    """Rules for faults in REST, eligibility and pixel requests; the first that returns a fault decides."""

    sign_in_faults: "tuple[FaultRule, ...]" = ()
    """Rules for faults in requests to sign in; the first that returns a fault decides."""

    def __post_init__(self) -> None:
        if not _ACCOUNT_TOKEN.fullmatch(self.account_token):
            raise ValueError(
                f"account_token {self.account_token!r} is not NPS-, NPS-EU- or NPS-AU- "
                "followed by 8 letters or digits"
            )
        for name in ("client_id", "client_secret", "username", "password"):
            if not getattr(self, name):
                raise ValueError(f"{name} must not be empty")
        if self.rate_limit is not None and self.rate_limit < 1:
            raise ValueError("rate_limit must be at least 1, or None for no limit")
        if not (math.isfinite(self.rate_window) and self.rate_window > 0):
            raise ValueError("rate_window must be more than 0 seconds")
        if not (math.isfinite(self.latency) and self.latency >= 0):
            raise ValueError("latency must be 0 seconds or more")
        if self.token_lifetime < 1:
            raise ValueError("token_lifetime must be at least 1 second")
        if not 0 <= self.error_rate <= 1:
            raise ValueError("error_rate must be from 0 to 1")
