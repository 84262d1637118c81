"""The HTTP side of Wootric: its calls, made until they are answered (wootric.md 2 to 5)."""

import json
import logging
import random
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import quote, urlencode

import orjson
import requests
from tenacity import RetryCallState, Retrying, retry_if_exception_type

from wootric_map.errors import (
    CallFailedError,
    NoAnswerError,
    NotBelievedError,
    SignInRefusedError,
    StoppedError,
    UnreachableError,
    WootricError,
)
from wootric_map.model import EligibilityCheck, EndUser, EndUserUpsert, LookUpKey, PageView
from wootric_map.wootric import retry
from wootric_map.wootric.auth import (
    ClientCredentials,
    Credentials,
    Grant,
    PasswordCredentials,
    SignIn,
)
from wootric_map.wootric.call_tracker import UNTRACKED, Flight
from wootric_map.wootric.end_users import clean, end_user_from
from wootric_map.wootric.http import LARGEST_REPLY, NotSentError, Reply, Wire
from wootric_map.wootric.pace import Pace, unix_time
from wootric_map.wootric.regions import Services, bare
from wootric_map.wootric.replies import (
    MOST_VALUES,
    Trust,
    contradicts,
    has_more_than_asked,
    has_too_many_values,
    not_as_sent,
    not_asked_for,
    says_who,
)
from wootric_map.wootric.requests import HttpCall, create_end_user, request, update_end_user
from wootric_map.wootric.retry import Outage, Tries, was_too_fast

__all__ = [
    "ClientCredentials",
    "Credentials",
    "NoAnswerError",
    "NotBelievedError",
    "PasswordCredentials",
    "SignInRefusedError",
    "UnreachableError",
    "Wootric",
]

log: Final = logging.getLogger(__name__)
"""What `--verbose` shows: no personal data, no query, no token, and nothing in Wootric's own words."""

_LOOK_UPS: Final[Mapping[LookUpKey, str]] = {
    "id": "{}",
    "external_id": "{}?lookup_by_external_id=true",
    "email": "{}?lookup_by_email=true",
    "phone_number": "phone_number/{}",
}

_KIBIBYTE: Final = 1024
_LARGEST_TOKEN: Final = 64 * _KIBIBYTE
_LARGEST_CHECK: Final = 256 * _KIBIBYTE
"""Of a reply that brings a survey's texts along."""
_LARGEST_PIXEL: Final = 64 * _KIBIBYTE
_LARGEST_PAGE: Final = 8 * LARGEST_REPLY
"""Of a reply with fifty end users."""

_MOST_VALUES_IN_PAGE: Final = 20 * MOST_VALUES

_LONGEST_WORDS: Final = 1_000
"""Characters of Wootric's own words that are told."""
_LONGEST_BODY: Final = 2_000
"""Bytes of a reply that are kept beside what failed."""

_LARGE_NUMBER: Final = re.compile(rb"[0-9]{19}")
"""May be past 64 bits; orjson would round it."""

_FEATURE_OFF: Final = frozenset({404, 423})

_FAILED_ITSELF: Final = frozenset({500, 501, 503})
"""What Wootric's own failures look like; any other 5xx is a gateway's."""


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
        retries: int = retry.RETRIES,
        connect_timeout: float = retry.CONNECT_TIMEOUT,
        read_timeout: float = retry.READ_TIMEOUT,
        deadline: float = retry.DEADLINE,
        give_up_after: float = retry.GIVE_UP_AFTER,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[float, float], float] = random.uniform,
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
            connect_timeout: seconds to wait for a connection.
            read_timeout: seconds of silence to bear once a call is sent.
            deadline: seconds for all tries of a call together, but for the waits for its turns.
            give_up_after: seconds that Wootric may be down for all calls before none is made any more.
            clock: the unix time.
            monotonic: seconds that only pass.
            jitter: a random number between two.
            ca_bundle: certificate authorities to trust on loopback; elsewhere requests itself asks
                the environment.
        """
        self._services = services
        self._account_token = bare(account_token)
        self._pace = pace
        self._wait = wait
        self._retries = retries
        self._deadline = deadline
        self._give_up_after = give_up_after
        self._monotonic = monotonic
        self._jitter = jitter
        self._outage = Outage(monotonic)
        self._trust = Trust()
        self._sign_in = SignIn(credentials, self._ask_for_token, clock)
        self._wire = Wire(
            connections=connections,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            loopback=services.is_stand_in,
            ca_bundle=ca_bundle,
        )
        self.server_time: int | None = None
        """Unix seconds by Wootric's own clock at its latest reply; None where none told."""

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def sign_in(self) -> None:
        """Get a token.

        Raises:
            SignInRefusedError: the credentials or the account token are wrong.
            UnreachableError: Wootric does not answer.
        """
        self._sign_in.token()

    def registered_events(self) -> frozenset[str]:
        """The events that count for eligibility (wootric.md 5); none without Targeted Sampling."""
        query = urlencode({"account_token": self._account_token})
        call = HttpCall("GET", f"{self._services.eligibility}/registered_events.json?{query}")
        try:
            names = self._made(_Asked("registered_events", call, authorized=False))
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
            CallFailedError: the end user in the reply is not the one who was asked for.
            WootricError: it could not be asked.
        """
        for by, key in wanted.look_up_keys():
            # A path of dots alone would be taken for a step up, however it is encoded.
            if key.strip("."):
                path = _LOOK_UPS[by].format(quote(key, safe=""))
                endpoint = "end_users/phone_number/{}" if by == "phone_number" else "end_users/{}"
                call = HttpCall("GET", f"{self._services.rest}/end_users/{path}")
                asked = _Asked(endpoint, call)
                found = self._found(asked, partial(not_asked_for, by, key, wanted))
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
        call = HttpCall("GET", f"{self._services.rest}/end_users?{urlencode(query)}")
        rows = self._made(
            _Asked("end_users/list", call, most=_LARGEST_PAGE, most_values=_MOST_VALUES_IN_PAGE)
        )
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise _bad_reply("Wootric's list of end users is no list of end users")
        if has_more_than_asked(rows, query):
            raise _bad_reply(
                f"Wootric's list of end users has {len(rows):,} on a page, more than the "
                f"{query['per_page']} asked for"
            )
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
        call = create_end_user(wanted, self._services)
        asked = _Asked("end_users/create", call, idempotent=False, flight=flight)
        try:
            created = self._end_user(asked, partial(not_as_sent, wanted))
        except CallFailedError as error:
            if error.code == _BAD_REPLY:
                raise NoAnswerError(f"{error}, so it may have been created") from error
            raise
        if not says_who(wanted, created):
            # Looking them up tells; an id alone may be anybody's.
            raise NoAnswerError("Wootric's reply does not say who was created")
        return created

    def update(
        self, wootric_id: int, changes: EndUserUpsert, flight: Flight = UNTRACKED
    ) -> EndUser:
        """Change an end user's fields.

        Args:
            wootric_id: whose.
            changes: the fields that change.
            flight: told of each exchange.

        Raises:
            CallFailedError: Wootric refuses it, or its reply can't be believed, so that it may have been
                made.
            WootricError: it could not be asked.
        """
        call = update_end_user(changes, self._services, wootric_id)
        asked = _Asked("end_users/update", call, flight=flight)
        return self._end_user(asked, partial(not_as_sent, changes, number=wootric_id))

    def send(
        self,
        event: EligibilityCheck | PageView,
        flight: Flight = UNTRACKED,
        *,
        again: bool = False,
    ) -> bool:
        """Check eligibility, or send a page view; neither can be taken back (wootric.md 5).

        Args:
            event: what to send.
            flight: told of each exchange.
            again: send it again if no answer comes, although it may count twice then.

        Returns:
            Whether Wootric finds the user eligible; False for a page view.

        Raises:
            NoAnswerError: it may have been counted, or not.
            CallFailedError: Wootric refuses it.
            WootricError: it could not be sent.
        """
        call = request(event, self._services, self._account_token)
        is_check = isinstance(event, EligibilityCheck)
        asked = _Asked(
            "eligible" if is_check else "pixel",
            call,
            authorized=False,
            idempotent=False,
            again=again,
            is_json=is_check,
            most=_LARGEST_CHECK if is_check else _LARGEST_PIXEL,
            flight=flight,
        )
        try:
            reply = self._made(asked)
        except CallFailedError as error:
            if error.code == _BAD_REPLY:
                raise NoAnswerError(f"{error}, so it may have been taken") from error
            raise
        return isinstance(reply, dict) and reply.get("eligible") is True

    def _found(self, asked: "_Asked", doubt: "_Doubt") -> EndUser | None:
        try:
            return self._end_user(asked, doubt)
        except CallFailedError as error:
            if error.status == requests.codes.not_found:
                return None
            raise

    def _end_user(self, asked: "_Asked", doubt: "_Doubt") -> EndUser:
        """Make a call that is answered with an end user.

        Args:
            asked: the call.
            doubt: tells why an end user is not the one who must be in the reply; None if it is.
        """
        try:
            told = _end_user(self._made(asked))
            what = doubt(told)
            if what is not None:
                raise _bad_reply(what)
        except CallFailedError as error:
            if error.code == _BAD_REPLY and not isinstance(error, _PassingError):
                log.info("%s", error)
                self._trust.shaken(str(error))
            raise
        self._trust.earned()
        return told

    def _ask_for_token(self, grant: Grant) -> Any:
        log.info("signing in by %s", grant["grant_type"])
        query = urlencode({"account_token": self._account_token})
        call = HttpCall("POST", f"{self._services.oauth}?{query}", grant)
        return self._made(_Asked("oauth", call, authorized=False, most=_LARGEST_TOKEN))

    def _made(self, asked: "_Asked") -> Any:
        """Make a call, again where that may help; gives its reply's JSON, None where it has none."""
        self._trust.check()
        if self._outage.seconds >= self._give_up_after:
            raise self._given_up()
        again: tuple[type[Exception], ...] = (NotSentError, _PassingError, _TooFastError)
        if asked.repeatable:
            again += (NoAnswerError,)
        tries = Tries(self._retries, self._deadline, clock=self._monotonic, jitter=self._jitter)
        try:
            try:
                return self._attempt(asked, tries)
            except again as fault:
                first = fault
            # Few calls come here: to make ready for more tries takes time.
            return self._tried_again(asked, tries, again, first)
        except (NotSentError, NoAnswerError, _PassingError, UnreachableError) as fault:
            if tries.in_doubt and not asked.idempotent:
                raise NoAnswerError(str(fault)) from fault
            if isinstance(fault, UnreachableError):
                raise
            if self._outage.seconds >= self._give_up_after:
                raise self._given_up() from fault
            if isinstance(fault, CallFailedError):
                raise
            raise CallFailedError("unreachable", str(fault), None, None) from fault

    def _tried_again(
        self, asked: "_Asked", tries: Tries, again: tuple[type[Exception], ...], first: Exception
    ) -> Any:
        """Try a call again, whose first try ended so."""
        faults = [first]

        def attempt() -> Any:
            if faults:
                raise faults.pop()
            return self._attempt(asked, tries)

        retrying = Retrying(
            retry=retry_if_exception_type(again),
            stop=tries.enough,
            wait=tries.pause,
            before_sleep=self._before_pause,
            sleep=lambda seconds: self._pause(seconds, tries),
            reraise=True,
        )
        return retrying(attempt)

    def _attempt(self, asked: "_Asked", tries: Tries) -> Any:
        reply, token = self._turn(asked, tries, refused=None)
        if asked.authorized and reply.status == requests.codes.unauthorized:
            reply, _ = self._turn(asked, tries, refused=token)
            if reply.status == requests.codes.unauthorized:
                raise SignInRefusedError(
                    f"Wootric refuses a token that it has just given out ({_words(reply)}); "
                    "check that this login may use the API of this account"
                )
        return _taken(asked, reply)

    def _turn(
        self, asked: "_Asked", tries: Tries, *, refused: str | None
    ) -> tuple[Reply, str | None]:
        """Wait for a turn and make use of it; gives the reply, and the token that was sent."""
        self._pace.take_turn(asked.endpoint)
        reply = None
        try:
            # The token is taken after the wait for the turn, which may outlive it.
            token = self._sign_in.token(refused) if asked.authorized else None
            reply = self._exchange(asked, tries, token)
        finally:
            if reply is None:
                self._pace.unanswered(asked.endpoint)
        too_fast = reply.status == requests.codes.too_many_requests
        self._pace.learn(asked.endpoint, reply.headers, refused=too_fast)
        return reply, token

    def _exchange(self, asked: "_Asked", tries: Tries, token: str | None) -> Reply:
        """One request and its reply, whatever it says."""
        asked.flight.departs()
        tries.made += 1
        begun = self._monotonic()
        try:
            with self._outage.counting(), tries.timed():
                reply = self._wire.exchange(asked.call, token, tries.left, asked.most)
        except WootricError as fault:
            self._note(asked, tries, str(fault), begun)
            self._outage.fault(str(fault))
            if isinstance(fault, NoAnswerError):
                tries.in_doubt = True
            elif not tries.in_doubt:
                asked.flight.returns()
            raise
        self._note(asked, tries, str(reply.status), begun)
        if reply.status >= requests.codes.server_error:
            self._outage.fault(f"status {reply.status}")
        elif reply.status != requests.codes.too_many_requests:
            self._outage.answered()
        tries.in_doubt |= not _was_not_taken(reply.status)
        if not tries.in_doubt:
            asked.flight.returns()
        date = unix_time(reply.headers.get("Date"))
        self.server_time = self.server_time if date is None else int(date)
        return _without(token, reply)

    def _note(self, asked: "_Asked", tries: Tries, ended: str, begun: float) -> None:
        log.info(
            "%s %s: %s in %.0f ms, attempt %d",
            asked.call.method,
            asked.endpoint,
            ended,
            (self._monotonic() - begun) * 1000,
            tries.made,
        )

    def _before_pause(self, state: RetryCallState) -> None:
        """See whether another try is worth waiting for."""
        seconds = state.upcoming_sleep
        if was_too_fast(state):
            log.info("too fast: trying again at the next turn")
            return
        if self._outage.seconds + seconds >= self._give_up_after:
            raise self._given_up()
        fault = state.outcome.exception() if state.outcome else None
        log.info("trying again in %.1f s, after %s", seconds, _in_short(fault))

    def _pause(self, seconds: float, tries: Tries) -> None:
        if seconds:
            self._pace.note_wait(seconds, "after a fault")
        with self._outage.counting(), tries.timed():
            stopped = self._wait(seconds)
        if stopped:
            raise StoppedError

    def _given_up(self) -> UnreachableError:
        outage = self._outage
        log.info("giving up: down for %.0f s, latest %s", outage.seconds, outage.latest)
        return UnreachableError(
            f"Wootric has been down for {outage.seconds:.0f} s (the latest: {outage.latest}); run "
            "the same command again later, or be more patient with --give-up-after"
        )


class _Asked(NamedTuple):
    """A call, and how it is made."""

    endpoint: str
    """Its name, for the pace and the log."""
    call: HttpCall
    authorized: bool = True
    """Whether it carries a token."""
    idempotent: bool = True
    """Whether made twice it does no more than made once."""
    again: bool = False
    """Whether it is made again all the same if no answer comes."""
    is_json: bool = True
    """Whether its reply is."""
    most: int = LARGEST_REPLY
    """Bytes of its reply that are taken in."""
    most_values: int = MOST_VALUES
    """Values in its reply's JSON that are taken in."""
    flight: Flight = UNTRACKED

    @property
    def repeatable(self) -> bool:
        """Whether it is made again if no answer comes."""
        return self.idempotent or self.again


_Doubt: TypeAlias = Callable[[EndUser], str | None]


class _PassingError(CallFailedError):
    """Wootric failed; the same call may work later."""


class _TooFastError(CallFailedError):
    """Past the limit; the pace knows until when."""


def _taken(asked: _Asked, reply: Reply) -> Any:
    """What the reply holds, if it says that the call was taken."""
    status = reply.status
    if requests.codes.ok <= status < requests.codes.multiple_choices:
        if not asked.is_json:
            return None
        if reply.is_too_long or has_too_many_values(reply.body, asked.most_values):
            raise _bad_reply("Wootric's reply is longer than any such reply can be", status)
        try:
            return _parsed(reply.body)
        except ValueError as error:
            if not asked.repeatable:
                raise NoAnswerError(f"{error}, so it may have been taken") from error
            raise _PassingError(_BAD_REPLY, str(error), status, None) from error
    if status < requests.codes.ok:
        raise NoAnswerError(f"Wootric's reply is none ({status})")
    if status == requests.codes.too_many_requests:
        raise _TooFastError("too_fast", "Wootric still says: too many requests", status, None)
    if status < requests.codes.bad_request:
        message = f"{asked.endpoint} redirects elsewhere ({status}), which is not followed"
        raise CallFailedError("redirected", message, status, _shown(reply))
    words = _words(reply)
    if status < requests.codes.server_error:
        message = f"Wootric refused it with {status}: {words}"
        raise CallFailedError("refused", message, status, _shown(reply))
    message = f"Wootric failed with {status}: {words}"
    if not (asked.repeatable or _was_not_taken(status)):
        # It comes from a gateway: what stands behind that may have taken the call.
        raise NoAnswerError(message)
    raise _PassingError("server_error", message, status, _shown(reply))


def _was_not_taken(status: int) -> bool:
    """Whether a reply proves that its call was not carried out."""
    refused = requests.codes.multiple_choices <= status < requests.codes.server_error
    return refused or status in _FAILED_ITSELF


def _in_short(fault: BaseException | None) -> str:
    """A fault without Wootric's own words, which may hold anything."""
    if isinstance(fault, CallFailedError) and fault.code == "server_error":
        return f"status {fault.status}"
    return str(fault)


def _without(token: str | None, reply: Reply) -> Reply:
    """The reply without the token, which an error might repeat."""
    if token is None or reply.status < requests.codes.multiple_choices:
        return reply
    return reply._replace(body=reply.body.replace(token.encode(), b"[token]"))


def _parsed(body: bytes) -> Any:
    """A reply's JSON.

    Raises:
        ValueError: it is none.
    """
    if _LARGE_NUMBER.search(body):
        with suppress(ValueError, RecursionError):
            return json.loads(body)
    with suppress(orjson.JSONDecodeError):
        return orjson.loads(body)
    with suppress(ValueError, RecursionError):
        return json.loads(body)  # which takes half of a surrogate pair, as Wootric may tell it
    # Out here it does not carry the reply along.
    raise ValueError("Wootric's reply is no JSON")


def _words(reply: Reply) -> str:
    """Wootric's own words in either of its error forms (wootric.md 3), as far as they are told."""
    words = _all_words(reply)
    return words if len(words) <= _LONGEST_WORDS else f"{words[:_LONGEST_WORDS]}…"


def _all_words(reply: Reply) -> str:
    told = None
    if not has_too_many_values(reply.body):
        with suppress(ValueError):
            told = _parsed(reply.body)
    if isinstance(told, dict):
        errors = told.get("errors")
        if isinstance(errors, list):
            words = [str(each.get("message")) for each in errors if isinstance(each, dict)]
            return clean("; ".join(words)) or "no reason given"
        said = told.get("error_description") or told.get("error")
        if isinstance(said, str):
            return clean(said)
    return _PHRASES.get(reply.status, "no reason given")


_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}


def _shown(reply: Reply) -> str:
    """The beginning of a reply; as UTF-8, since what it says of its character set may be rubbish."""
    return reply.body[:_LONGEST_BODY].decode(errors="replace")


_BAD_REPLY: Final = "bad_reply"


def _bad_reply(message: str, status: int | None = None) -> CallFailedError:
    return CallFailedError(_BAD_REPLY, message, status, None)


def _end_user(reply: Any) -> EndUser:
    """An end user as Wootric tells it."""
    try:
        return end_user_from(reply)
    except ValueError as error:
        raise _bad_reply("Wootric's reply is no end user") from error
