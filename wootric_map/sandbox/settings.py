"""What a sandbox is told before it starts."""

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from wootric_map.sandbox.faults import FaultRule

_ACCOUNT_TOKEN: Final = re.compile(r"NPS-(?:EU-|AU-)?[A-Za-z0-9]{8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """The one account a sandbox holds, and how it treats its callers.

    Raises:
        ValueError: a field is outside its range; the message names the field.
    """

    account_token: str = "NPS-5a4db0c5"  # noqa: S105 - public by nature, and this account is invented
    """`NPS-`, `NPS-EU-` or `NPS-AU-`, then 8 letters or digits (wootric.md 1)."""

    client_id: str = "sandbox-client-id"
    """What the client credentials grant signs in with, beside `client_secret`."""

    client_secret: str = field(default="sandbox-client-secret", repr=False)
    """See `client_id`."""

    username: str = "sandbox@example.com"
    """What the password grant signs in with, beside `password`."""

    password: str = field(default="sandbox-password", repr=False)
    """See `username`."""

    registered_events: tuple[str, ...] = ("Order Completed", "Plan Upgraded", "Signed Up")
    """The event names that count, letter for letter; none: no Targeted Sampling (wootric.md 5)."""

    rate_limit: int | None = None
    """Requests per window, per endpoint; `None`: no limit, and no rate-limit headers (wootric.md 4)."""

    rate_window: float = 60.0
    """The window's length in seconds. A window ends on a whole unix second, so it may last up to a
    second more: the reset in the headers is then exactly when the limit lifts."""

    latency: float = 0.0
    """Seconds each request waits before it is looked at; requests wait side by side."""

    token_lifetime: int = 7200
    """Seconds an access token is taken for (wootric.md 2)."""

    properties_as_text: bool = False
    """Whether the reply to a POST or PUT of an end user shows its properties as Ruby writes a hash,
    `{"plan"=>"pro"}`, as some of Wootric's own examples do (wootric.md 3)."""

    error_rate: float = 0.0
    """Share (0 to 1) of REST, eligibility and pixel requests answered 500 or 503 and not carried
    out. Signing in is spared."""

    seed: int | None = None
    """Seeds the draw of those errors; `None`: a different draw each time."""

    faults: "tuple[FaultRule, ...]" = ()
    """Asked in turn about each request that `error_rate` could hit; see `faults.Fault`."""

    sign_in_faults: "tuple[FaultRule, ...]" = ()
    """The same for requests to sign in, which neither of them hits."""

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
