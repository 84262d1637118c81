"""The HTTP side of Wootric: signing in, pace, retries (wootric.md 2 to 5)."""

import random
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urlencode, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from tenacity import RetryCallState, Retrying, retry_if_exception_type
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProxyError

from wootric_map.calls import (
    RETRIES,
    EligibilityCheck,
    EndUser,
    EndUserUpsert,
    HttpCall,
    LookUpKey,
    PageView,
)
from wootric_map.comparing import contradicts
from wootric_map.end_users import clean, end_user_from
from wootric_map.flight import UNTRACKED, Flight
from wootric_map.outcome import CallFailedError, StoppedError, WootricError
from wootric_map.pace import Pace, number
from wootric_map.services import Services, is_loopback

TIMEOUT: Final = (10.0, 60.0)
"""Seconds to wait for a connection, and for an answer."""

_TOO_FAST_RETRIES: Final = 100
"""A 429 is no fault of the call's: other traffic of the account may take a share of every window."""

_LONGEST_PAUSE: Final = 30.0
"""Seconds between two attempts."""

_LOOK_UPS: Final[Mapping[LookUpKey, str]] = {
    "id": "{}",
    "external_id": "{}?lookup_by_external_id=true",
    "email": "{}?lookup_by_email=true",
    "phone_number": "phone_number/{}",
}

_GIVE_UP_AFTER: Final = 3
"""Calls that end without any answer, one after another, before the whole run does."""

_TOKEN_LIFETIME: Final = 7200.0
"""Seconds (wootric.md 2), where a reply does not say."""

_SENDABLE: Final = re.compile(r"[!-~]+")
"""What may stand in a header: printable ASCII without spaces."""

_EARLY: Final = 60.0
"""Seconds before its end at which a token is renewed."""


class SignInRefusedError(WootricError):
    """The credentials, or the token they gave, were refused."""


class UnreachableError(WootricError):
    """No connection, or no answer, however often it was tried."""


class NoAnswerError(WootricError):
    """A call that must not be repeated was sent, and no answer came: it may have been taken."""


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """An API client's own login (wootric.md 2)."""

    client_id: str
    client_secret: str = field(repr=False)

    def grant(self) -> dict[str, str]:
        """The form that asks for a token."""
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

    def grant(self) -> dict[str, str]:
        """The form that asks for a token."""
        return {"grant_type": "password", "username": self.username, "password": self.password}


Credentials: TypeAlias = ClientCredentials | PasswordCredentials


class Wootric:
    """An account, over HTTP; may be used from several threads."""

    def __init__(
        self,
        services: Services,
        account_token: str,
        credentials: Credentials,
        pace: Pace,
        *,
        wait: Callable[[float], bool],
        connections: int = 8,
        retries: int = RETRIES,
        timeout: tuple[float, float] = TIMEOUT,
        clock: Callable[[], float] = time.time,
        ca_bundle: str | None = None,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            services: where the account stands.
            account_token: which account it is.
            credentials: what to sign in with.
            pace: gives each call its turn.
            wait: waits so many seconds; True if the run was told to stop.
            connections: how many are kept open at most.
            retries: how often a call is tried again.
            timeout: seconds for a connection, and for an answer.
            clock: the unix time.
            ca_bundle: certificate authorities to trust on loopback; elsewhere requests itself asks
                the environment.
        """
        self._services = services
        self._account_token = account_token
        self._credentials = credentials
        self._pace = pace
        self._retries = retries
        self._timeout = timeout
        self._clock = clock
        self._wait = wait
        self._unanswered = 0
        self._unanswered_lock = threading.Lock()
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"wootric-replay/{version('wootric-replay')}"
        if is_loopback(urlsplit(services.rest).hostname or ""):
            # A proxy stands between machines, not between this one and itself. What else the
            # environment says, of certificates, holds here too.
            self._session.trust_env = False
            self._session.verify = ca_bundle or True
        adapter = HTTPAdapter(pool_connections=4, pool_maxsize=connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._sign_in_lock = threading.Lock()
        self._token: _Token | None = None
        self.server_time: int | None = None
        """Unix seconds by Wootric's own clock at its latest reply; None where none told."""

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def sign_in(self) -> None:
        """Get a token.

        Raises:
            SignInRefusedError: the credentials or the account token are wrong.
            UnreachableError: Wootric does not answer.
        """
        self._bearer(refused=None)

    def registered_events(self) -> frozenset[str]:
        """The events that count for eligibility (wootric.md 5); none without Targeted Sampling."""
        query = urlencode({"account_token": self._account_token})
        call = HttpCall("GET", f"{self._services.eligibility}/registered_events.json?{query}")
        try:
            names = self._json("registered_events", call, authorized=False)
        except CallFailedError as error:
            if error.status in _FEATURE_OFF:
                return frozenset()
            message = f"the list of registered events can't be had: {error}"
            raise UnreachableError(message) from error
        if not isinstance(names, list):
            raise UnreachableError("Wootric's list of registered events is no list")
        return frozenset(name for name in names if isinstance(name, str))

    def find(self, wanted: EndUserUpsert) -> EndUser | None:
        """Look an end user up: by Wootric's id, then external id, then email, else phone.

        A phone finds nobody who has another email or external id: households share phones. Whoever has
        an email is not looked up by phone: the email alone decides.

        Raises:
            WootricError: it could not be asked.
        """
        for by, key in wanted.look_up_keys():
            # A path of dots alone would be taken for a step up, however it is encoded.
            if key.strip("."):
                path = _LOOK_UPS[by].format(quote(key, safe=""))
                endpoint = "end_users/phone_number/{}" if by == "phone_number" else "end_users/{}"
                call = HttpCall("GET", f"{self._services.rest}/end_users/{path}")
                reply = self._json(endpoint, call, missing=True)
                found = None if reply is None else _end_user(reply)
                if found and not (by == "phone_number" and contradicts(wanted, found)):
                    return found
        return None

    def list_end_users(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """A page of the account's end users, as the API gives them (wootric.md 3).

        Args:
            query: `page`, `per_page`, `created[gte]` and their like.

        Raises:
            WootricError: it could not be asked.
        """
        url = f"{self._services.rest}/end_users?{urlencode(query)}"
        rows = self._json("end_users/list", HttpCall("GET", url))
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            message = "Wootric's list of end users is no list of end users"
            raise CallFailedError("bad_reply", message, None, None)
        return rows

    def create(self, wanted: EndUserUpsert, flight: Flight = UNTRACKED) -> EndUser:
        """Create an end user.

        Args:
            wanted: the fields.
            flight: told of each exchange.

        Raises:
            NoAnswerError: it may have been created, or not.
            CallFailedError: Wootric refuses it.
            WootricError: it could not be asked.
        """
        call = wanted.create(self._services)
        return _end_user(self._json("end_users/create", call, repeatable=False, flight=flight))

    def update(
        self, wootric_id: int, changes: EndUserUpsert, flight: Flight = UNTRACKED
    ) -> EndUser:
        """Change an end user's fields.

        Args:
            wootric_id: whose.
            changes: the fields that change.
            flight: told of each exchange.

        Raises:
            CallFailedError: Wootric refuses it.
            WootricError: it could not be asked.
        """
        call = changes.update(self._services, wootric_id)
        return _end_user(self._json("end_users/update", call, flight=flight))

    def send(
        self,
        event: EligibilityCheck | PageView,
        flight: Flight = UNTRACKED,
        *,
        again: bool = False,
    ) -> None:
        """Check eligibility, or send a page view; neither can be taken back (wootric.md 5).

        Args:
            event: what to send.
            flight: told of each exchange.
            again: send it again if no answer comes, although it may count twice then.

        Raises:
            NoAnswerError: it may have been counted, or not.
            CallFailedError: Wootric refuses it.
            WootricError: it could not be sent.
        """
        call = event.call(self._services, self._account_token)
        if isinstance(event, EligibilityCheck):
            self._json("eligible", call, authorized=False, repeatable=again, flight=flight)
        else:
            self._request("pixel", call, authorized=False, repeatable=again, flight=flight)

    def _json(
        self,
        endpoint: str,
        call: HttpCall,
        *,
        authorized: bool = True,
        repeatable: bool = True,
        missing: bool = False,
        flight: Flight = UNTRACKED,
    ) -> Any:
        """The reply's JSON; None for a 404 where `missing` may be."""
        try:
            response = self._request(
                endpoint, call, authorized=authorized, repeatable=repeatable, flight=flight
            )
        except CallFailedError as error:
            if missing and error.status == requests.codes.not_found:
                return None
            raise
        try:
            return response.json()
        except (ValueError, RecursionError) as error:
            if not repeatable:
                raise NoAnswerError("the answer is no JSON, so it may have been taken") from error
            message = "Wootric's reply is no JSON"
            raise CallFailedError("bad_reply", message, response.status_code, None) from error

    def _request(
        self,
        endpoint: str,
        call: HttpCall,
        *,
        authorized: bool,
        repeatable: bool,
        flight: Flight,
    ) -> requests.Response:
        """Make a call, again where that may help."""
        again: tuple[type[Exception], ...] = (_NotSentError, _ServerError, _TooFastError)
        if repeatable:
            again += (NoAnswerError,)
        tries = _Tries(self._retries)
        retrying = Retrying(
            retry=retry_if_exception_type(again),
            stop=tries.enough,
            wait=tries.pause,
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return retrying(self._attempt, endpoint, call, authorized, repeatable, flight)
        except _NotSentError as error:
            raise self._given_up(error) from error
        except NoAnswerError as error:
            if repeatable:
                raise self._given_up(error) from error
            raise

    def _given_up(self, error: WootricError) -> WootricError:
        """One call in vain is that call's failure; several in a row, with no answer to any, the run's."""
        with self._unanswered_lock:
            self._unanswered += 1
            if self._unanswered >= _GIVE_UP_AFTER:
                return UnreachableError(str(error))
        return CallFailedError("unreachable", str(error), None, None)

    def _attempt(
        self, endpoint: str, call: HttpCall, authorized: bool, repeatable: bool, flight: Flight
    ) -> requests.Response:
        self._pace.take_turn(endpoint)
        # The token is taken after the wait for the turn, which may outlive it.
        token = self._bearer(refused=None) if authorized else None
        response = self._exchange(endpoint, call, token, flight)
        if authorized and response.status_code == requests.codes.unauthorized:
            self._pace.take_turn(endpoint)
            token = self._bearer(refused=token)
            response = self._exchange(endpoint, call, token, flight)
            if response.status_code == requests.codes.unauthorized:
                raise SignInRefusedError(
                    f"Wootric refuses a token that it has just given out ({_words(response)}); "
                    "check that this login may use the API of this account"
                )
        return self._checked(endpoint, response, repeatable=repeatable)

    def _exchange(
        self, endpoint: str, call: HttpCall, token: str | None, flight: Flight
    ) -> requests.Response:
        """One request and its reply, whatever it says."""
        flight.departs()
        host = urlsplit(call.url).netloc
        try:
            response = self._session.request(
                call.method,
                call.url,
                data=call.form,
                auth=_Bearer(token),
                timeout=self._timeout,
                # Followed, it would take the token, or a person's data, to another address.
                allow_redirects=False,
            )
        except requests.RequestException as error:
            if _untrusted(error):
                flight.returns()
                raise UnreachableError(
                    f"{host} can't be trusted: its TLS certificate was refused; "
                    "REQUESTS_CA_BUNDLE names a certificate authority of your own"
                ) from error
            if _never_left(error):
                flight.returns()
                raise _NotSentError(f"no connection to {host} ({_reason(error)})") from error
            raise NoAnswerError(f"no answer from {host} ({_reason(error)})") from error
        if _was_not_taken(response.status_code):
            flight.returns()
        self._unanswered = 0
        self.server_time = _unix_time(response.headers.get("Date")) or self.server_time
        too_fast = response.status_code == requests.codes.too_many_requests
        self._pace.learn(endpoint, response.headers, refused=too_fast)
        return response

    def _checked(
        self, endpoint: str, response: requests.Response, *, repeatable: bool
    ) -> requests.Response:
        """The response, if it says that the call was taken."""
        status = response.status_code
        if status < requests.codes.multiple_choices:
            return response
        if status == requests.codes.too_many_requests:
            raise _TooFastError("too_fast", "Wootric still says: too many requests", status, None)
        if status < requests.codes.bad_request:
            message = f"{endpoint} redirects elsewhere ({status}), which is not followed"
            raise CallFailedError("redirected", message, status, _body(response))
        words = _words(response)
        if status < requests.codes.server_error:
            message = f"Wootric refused it with {status}: {words}"
            raise CallFailedError("refused", message, status, _body(response))
        message = f"Wootric failed with {status}: {words}"
        if not (repeatable or _was_not_taken(status)):
            # It comes from a gateway: what stands behind that may have taken the call.
            raise NoAnswerError(message)
        raise _ServerError("server_error", message, status, _body(response))

    def _bearer(self, *, refused: str | None) -> str:
        """The token; a new one where there is none, it ends soon, or it was refused."""
        with self._sign_in_lock:
            held = self._token
            if held and held.value != refused and self._clock() < held.renew_at:
                return held.value
            grants = [self._credentials.grant()]
            if held and held.refresh_token and held.value != refused:
                refresh = {"grant_type": "refresh_token", "refresh_token": held.refresh_token}
                grants.insert(0, refresh)
            for grant in grants:
                token = self._ask_for_token(grant, last=grant is grants[-1])
                if token:
                    self._token = token
                    return token.value
            raise AssertionError  # the last grant gives a token or raises

    def _ask_for_token(self, grant: dict[str, str], *, last: bool) -> "_Token | None":
        query = urlencode({"account_token": self._account_token})
        call = HttpCall("POST", f"{self._services.oauth}?{query}", grant)
        try:
            reply = self._json("oauth", call, authorized=False)
        except CallFailedError as error:
            if error.status in _SIGN_IN_REFUSALS:
                if not last:
                    return None
                raise SignInRefusedError(
                    f"signing in was refused ({error.status}); check the account token and the "
                    "client id and secret, or the username and password"
                ) from None
            if error.status is None:  # no answer at all, so none that could hold a secret
                raise UnreachableError(f"signing in failed: {error}") from error
            # Wootric's words stay out of it: they may repeat what they were sent.
            raise UnreachableError(f"signing in failed with status {error.status}") from None
        token = _token(reply, self._clock())
        if token is None:
            raise UnreachableError("signing in failed: the reply holds no token")
        return token

    def _sleep(self, seconds: float) -> None:
        if seconds:
            self._pace.note_wait(seconds, "after a fault")
        if self._wait(seconds):
            raise StoppedError


@dataclass(frozen=True, slots=True)
class _Token:
    value: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    renew_at: float
    """Unix time."""


class _Bearer(AuthBase):
    """Signs a request; even without a token it keeps `~/.netrc` from signing it with something else."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _NotSentError(WootricError):
    """There was no connection, so the call can't have been taken."""


class _ServerError(CallFailedError):
    """Wootric failed; the same call may work later."""


class _TooFastError(CallFailedError):
    """Past the limit; the pace knows until when."""


_FAILED_ITSELF: Final = frozenset({500, 501, 503})
"""What Wootric's own failures look like; any other 5xx is a gateway's."""

_FEATURE_OFF: Final = frozenset({404, 423})
_SIGN_IN_REFUSALS: Final = frozenset({400, 401, 403})


class _Tries:
    """How often one call may be tried again, and after how long.

    Being too fast is counted apart: other traffic may take a share of many windows.
    """

    def __init__(self, retries: int) -> None:
        self._retries = retries
        self._faults = 0
        self._too_fast = 0

    def enough(self, state: RetryCallState) -> bool:
        """Whether to give up; asked once after each attempt."""
        if self._was_too_fast(state):
            self._too_fast += 1
            return self._too_fast > _TOO_FAST_RETRIES
        self._faults += 1
        return self._faults > self._retries

    def pause(self, state: RetryCallState) -> float:
        """Seconds: none past a limit, where the pace waits; else exponential with full jitter."""
        if self._was_too_fast(state):
            return 0.0
        return random.uniform(0.0, min(0.5 * 2**self._faults, _LONGEST_PAUSE))  # noqa: S311

    @staticmethod
    def _was_too_fast(state: RetryCallState) -> bool:
        return state.outcome is not None and isinstance(state.outcome.exception(), _TooFastError)


def _was_not_taken(status: int) -> bool:
    """Whether a reply proves that its call was not carried out."""
    refused = requests.codes.multiple_choices <= status < requests.codes.server_error
    return refused or status in _FAILED_ITSELF


def _untrusted(error: requests.RequestException) -> bool:
    """Whether the certificate was refused; other faults of TLS may happen on the way."""
    inner: BaseException | None = error
    while inner is not None and not isinstance(inner, ssl.SSLCertVerificationError):
        reason = getattr(inner, "reason", None) or next(iter(inner.args), None)
        cause = inner.__cause__ or inner.__context__
        inner = reason if isinstance(reason, BaseException) else cause
    return inner is not None


def _never_left(error: requests.RequestException) -> bool:
    """Whether a failed request can't have reached Wootric."""
    if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.InvalidURL):
        return True
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    return isinstance(reason, NewConnectionError | ProxyError)


def _reason(error: requests.RequestException) -> str:
    """What went wrong, without addresses, which may hold personal data."""
    if isinstance(error, requests.Timeout):
        return "it timed out"
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    inner: BaseException | None = reason if isinstance(reason, BaseException) else None
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        inner = inner.__cause__ or inner.__context__
    return "the connection broke"


def _words(response: requests.Response) -> str:
    """Wootric's own words in either of its error forms (wootric.md 3)."""
    try:
        reply = response.json()
    except (ValueError, RecursionError):
        return response.reason or "no reason given"
    if isinstance(reply, dict):
        errors = reply.get("errors")
        if isinstance(errors, list):
            words = [str(each.get("message")) for each in errors if isinstance(each, dict)]
            return clean("; ".join(words)) or "no reason given"
        said = reply.get("error_description") or reply.get("error")
        if isinstance(said, str):
            return clean(said)
    return "no reason given"


def _body(response: requests.Response) -> str:
    """The beginning of a reply; as UTF-8, since what it says of its character set may be rubbish."""
    return response.content[:10_000].decode(errors="replace")


def _token(reply: Any, now: float) -> _Token | None:
    """The token that a sign-in gave; None where it gave none that could be sent."""
    if not isinstance(reply, dict):
        return None
    value, refresh = reply.get("access_token"), reply.get("refresh_token")
    lifetime = number(str(reply.get("expires_in", _TOKEN_LIFETIME)))
    if not isinstance(value, str) or not _SENDABLE.fullmatch(value):
        return None
    renew_at = now + max((lifetime or _TOKEN_LIFETIME) - _EARLY, 1.0)
    return _Token(value, refresh if isinstance(refresh, str) else None, renew_at)


def _end_user(reply: Any) -> EndUser:
    """An end user as Wootric tells it."""
    try:
        return end_user_from(reply)
    except ValueError as error:
        message = "Wootric's reply is no end user"
        raise CallFailedError("bad_reply", message, None, None) from error


def _unix_time(date: str | None) -> int | None:
    """The time that a `Date` header tells."""
    try:
        return int(parsedate_to_datetime(date or "").timestamp())
    except (OverflowError, TypeError, ValueError):
        return None
