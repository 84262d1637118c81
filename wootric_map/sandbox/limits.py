"""The pace Wootric asks for (wootric.md 4), kept per endpoint of the sandbox's one account."""

import math
from collections.abc import Mapping

from wootric_map.sandbox.settings import SandboxSettings
from wootric_map.sandbox.wire import RefusedError


class RateLimits:
    """How much of each endpoint's window is used up.

    A window opens with the first request after the last one closed, and closes at the whole unix
    second that `X-Rate-Limit-Reset` tells.
    """

    def __init__(self, settings: SandboxSettings) -> None:
        self._limit = settings.rate_limit
        self._window = settings.rate_window
        self._used: dict[str, tuple[int, int]] = {}

    def take(self, endpoint: str, now: float) -> Mapping[str, str]:
        """Count a request to `endpoint` at the unix time `now`.

        Returns:
            The headers for its reply; none where there is no limit.

        Raises:
            RefusedError: 429, where the window is used up.
        """
        if self._limit is None:
            return {}
        reset, used = self._used.get(endpoint, (0, 0))
        if now >= reset:
            reset, used = math.ceil(now + self._window), 0
        allowed = used < self._limit
        if allowed:
            used += 1
            self._used[endpoint] = (reset, used)
        headers = {
            "X-Rate-Limit-Limit": str(self._limit),
            "X-Rate-Limit-Remaining": str(self._limit - used),
            "X-Rate-Limit-Reset": str(reset),
        }
        if not allowed:
            raise RefusedError(
                429, {"error": "Rate limit exceeded, try again at the reset"}, headers
            )
        return headers

    def clear(self) -> None:
        """Close every window."""
        self._used.clear()
