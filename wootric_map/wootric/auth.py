"""Signing in: the token that REST calls carry, and its renewal (wootric.md 2)."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from wootric_map.errors import CallFailedError, SignInRefusedError, UnreachableError, WootricError
from wootric_map.wootric.pace import number

_LIFETIME: Final = 7200.0
"""Seconds that a token lasts if the reply does not say (wootric.md 2)."""

_EARLY: Final = 60.0
"""Seconds before the end of a token at which it is renewed."""

_SENDABLE: Final = re.compile(r"[!-~]+")
"""Text that may stand in a header: printable ASCII without spaces."""

_REFUSALS: Final = frozenset({400, 401, 403})
"""The statuses that say that the credentials are wrong."""

Grant: TypeAlias = Mapping[str, str]
"""The form that asks for a token."""


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """An API client's own login (wootric.md 2)."""

    client_id: str
    client_secret: str = field(repr=False)

    def grant(self) -> Grant:
        """Return the form that asks for a token."""
        return {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }


@dataclass(frozen=True, slots=True)
class PasswordCredentials:
    """A person's login (wootric.md 2)."""

    username: str
    password: str = field(repr=False)

    def grant(self) -> Grant:
        """Return the form that asks for a token."""
        return {"grant_type": "password", "username": self.username, "password": self.password}


Credentials: TypeAlias = ClientCredentials | PasswordCredentials


class SignIn:
    """An account's token; one thread at a time asks for it, and all threads get the result."""

    def __init__(
        self,
        credentials: Credentials,
        ask: Callable[[Grant], Any],
        clock: Callable[[], float],
    ) -> None:
        """Begin without a token.

        Args:
            credentials: what to sign in with.
            ask: sends the form and returns the reply's JSON, or raises CallFailedError.
            clock: returns the unix time.
        """
        self._credentials = credentials
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._held: _Token | None = None
        self._coming: Future[_Token] | None = None

    def token(self, refused: str | None = None) -> str:
        """Return a token; a new one if there is none, or it ends soon, or it is `refused`.

        Args:
            refused: a token that Wootric did not accept.

        Raises:
            SignInRefusedError: the credentials or the account token are wrong.
            UnreachableError: Wootric does not answer.
            StoppedError: the run was told to stop.
        """
        with self._lock:
            held = self._held
            if held and held.value != refused and self._clock() < held.renew_at:
                return held.value
            coming = self._coming
            if coming is None:
                self._coming = asked = Future[_Token]()
        if coming is not None:
            return coming.result().value
        try:
            made = self._renewed(held, refused)
        except BaseException as error:
            self._arrived(self._held)
            asked.set_exception(error)
            raise
        self._arrived(made)
        asked.set_result(made)
        return made.value

    def _arrived(self, token: "_Token | None") -> None:
        """Keep a token, and let the next thread that needs one ask for it."""
        with self._lock:
            self._held, self._coming = token, None

    def _renewed(self, held: "_Token | None", refused: str | None) -> "_Token":
        """Return a new token, by the refresh token if that may still serve, else by the credentials."""
        for grant in _refreshing(held, refused):
            try:
                return self._answered(grant)
            except SignInRefusedError:
                pass  # the refresh token is used up
        return self._answered(self._credentials.grant())

    def _answered(self, grant: Grant) -> "_Token":
        """Ask for a token and return it."""
        failure: WootricError | None = None
        token = None
        try:
            token = _token(self._ask(grant), self._clock())
        except CallFailedError as error:
            failure = _failure(error)
        if token is None:
            # Raised outside the handler, the error has no context: Wootric's words may repeat a secret.
            raise failure or UnreachableError("signing in failed: the reply holds no token")
        return token


@dataclass(frozen=True, slots=True)
class _Token:
    value: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    renew_at: float
    """Unix time."""


def _refreshing(held: _Token | None, refused: str | None) -> Iterator[Grant]:
    """Yield the form that renews a token, if the token has a refresh token and was not refused."""
    if held and held.refresh_token and held.value != refused:
        yield {"grant_type": "refresh_token", "refresh_token": held.refresh_token}


def _failure(error: CallFailedError) -> WootricError:
    """Return the error that ends the run after a failed sign-in."""
    if error.status in _REFUSALS:
        return SignInRefusedError(
            f"signing in was refused ({error.status}); check the account token and the "
            "client id and secret, or the username and password"
        )
    if error.status is None or error.code == "bad_reply":  # the message is ours, without a secret
        return UnreachableError(f"signing in failed: {error}")
    return UnreachableError(f"signing in failed with status {error.status}")


def _token(reply: Any, now: float) -> _Token | None:
    """Return the token in the reply to a sign-in; None if it holds no token that could be sent."""
    if not isinstance(reply, dict):
        return None
    value, refresh = reply.get("access_token"), reply.get("refresh_token")
    lifetime = number(str(reply.get("expires_in", _LIFETIME)))
    if not isinstance(value, str) or not _SENDABLE.fullmatch(value):
        return None
    renew_at = now + max((lifetime or _LIFETIME) - _EARLY, 1.0)
    return _Token(value, refresh if isinstance(refresh, str) else None, renew_at)
