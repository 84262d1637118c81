"""The rate limits of Wootric (wootric.md 4), one for each endpoint of the sandbox's account."""

import math
from collections.abc import Mapping

from wootric_map.sandbox.settings import SandboxSettings
from wootric_map.sandbox.wire import RefusedError


class RateLimits:
    """The number of requests in the current window of each endpoint.

    A window begins with the first request after the end of the previous window, and ends at the whole unix
    second in `X-Rate-Limit-Reset`.
    """

    def __init__(self, settings: SandboxSettings) -> None:
        self._limit = settings.rate_limit
        self._window = settings.rate_window
        self._used: dict[str, tuple[int, int]] = {}

    def take(self, endpoint: str, now: float) -> Mapping[str, str]:
        """Count a request.

        Args:
            endpoint: the method and path template of the request.
            now: the unix time.

        Returns:
            The rate-limit headers of the reply; none without a limit.

        Raises:
            RefusedError: 429 if the window is used up.
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
        """End all windows."""
        self._used.clear()
