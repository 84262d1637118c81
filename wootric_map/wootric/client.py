"""The HTTP side of Wootric: an account, and what may be asked of it (wootric.md 2 to 5)."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlencode

from requests import codes

from wootric_map.errors import (
    CallFailedError,
    NoAnswerError,
    NotBelievedError,
    SignInRefusedError,
    UnreachableError,
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
from wootric_map.wootric.caller import Caller, Doubt, log
from wootric_map.wootric.http import LARGEST_REPLY, Wire
from wootric_map.wootric.pace import Pace
from wootric_map.wootric.regions import Services, bare
from wootric_map.wootric.replies import (
    MOST_VALUES,
    contradicts,
    has_more_than_asked,
    not_as_sent,
    not_asked_for,
    says_who,
)
from wootric_map.wootric.reply_meaning import BAD_REPLY, ApiCall, bad_reply
from wootric_map.wootric.requests import HttpCall, create_end_user, request, update_end_user

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

_LOOK_UPS: Final[Mapping[LookUpKey, tuple[str, str]]] = {
    "id": ("end_users/{}", ""),
    "external_id": ("end_users/{}", "?lookup_by_external_id=true"),
    "email": ("end_users/{}", "?lookup_by_email=true"),
    "phone_number": ("end_users/phone_number/{}", ""),
}
"""The path and the query of a look-up, by its key."""

_KIBIBYTE: Final = 1024
_LARGEST_TOKEN: Final = 64 * _KIBIBYTE
_LARGEST_CHECK: Final = 256 * _KIBIBYTE
"""Bytes of a reply that brings a survey's texts along."""
_LARGEST_PIXEL: Final = 64 * _KIBIBYTE
_LARGEST_PAGE: Final = 8 * LARGEST_REPLY
"""Bytes of a reply with fifty end users."""

_MOST_VALUES_IN_PAGE: Final = 20 * MOST_VALUES

_FEATURE_OFF: Final = frozenset({404, 423})


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
            pace, wait, retries, deadline, give_up_after, monotonic, jitter: as `Caller` takes them.
            connections, connect_timeout, read_timeout, ca_bundle: as `Wire` takes them.
            clock: the unix time.
        """
        self._services = services
        self._account_token = bare(account_token)
        self._sign_in = SignIn(credentials, self._ask_for_token, clock)
        self._wire = Wire(
            connections=connections,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            loopback=services.is_stand_in,
            ca_bundle=ca_bundle,
        )
        self._caller = Caller(
            self._wire,
            pace,
            self._sign_in.token,
            wait=wait,
            retries=retries,
            deadline=deadline,
            give_up_after=give_up_after,
            monotonic=monotonic,
            jitter=jitter,
        )

    @property
    def server_time(self) -> int | None:
        """Unix seconds by Wootric's own clock at its latest reply; None where none told."""
        return self._caller.server_time

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
        """Return the events that count for eligibility (wootric.md 5); none without Targeted Sampling."""
        query = urlencode({"account_token": self._account_token})
        call = HttpCall("GET", f"{self._services.eligibility}/registered_events.json?{query}")
        try:
            return _event_names(
                self._caller.make(ApiCall("registered_events", call, authorized=False))
            )
        except CallFailedError as error:
            if error.status in _FEATURE_OFF:
                return frozenset()
            message = f"the list of registered events can't be had: {error}"
            raise UnreachableError(message) from error

    def find(self, wanted: EndUserUpsert) -> EndUser | None:
        """Look an end user up: by Wootric's id, then external id, then email, else phone.

        A phone finds nobody who has another email or external id: households share phones. Whoever has
        an email is not looked up by phone: the email alone decides.

        Raises:
            CallFailedError: the end user in the reply is not the one who was asked for.
            WootricError: Wootric could not be asked.
        """
        for by, key in wanted.look_up_keys():
            # A path of dots alone would be taken for a step up, however it is encoded.
            if key.strip("."):
                endpoint, query = _LOOK_UPS[by]
                path = endpoint.format(quote(key, safe="")) + query
                call = ApiCall(endpoint, HttpCall("GET", f"{self._services.rest}/{path}"))
                found = self._found(call, partial(not_asked_for, by, key, wanted))
                if found and not (by == "phone_number" and contradicts(wanted, found)):
                    return found
        return None

    def list_end_users(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return a page of the account's end users, as the API gives them (wootric.md 3).

        Args:
            query: `page`, `per_page`, `created[gte]` and their like.

        Raises:
            WootricError: Wootric could not be asked.
        """
        call = HttpCall("GET", f"{self._services.rest}/end_users?{urlencode(query)}")
        rows = self._caller.make(
            ApiCall("end_users/list", call, most=_LARGEST_PAGE, most_values=_MOST_VALUES_IN_PAGE)
        )
        return _page(rows, query)

    def create(self, wanted: EndUserUpsert, flight: Flight = UNTRACKED) -> EndUser:
        """Create an end user; `flight` is told of each exchange.

        Raises:
            NoAnswerError: the end user may have been created, or not.
            CallFailedError: Wootric refuses it.
            WootricError: Wootric could not be asked.
        """
        http = create_end_user(wanted, self._services)
        call = ApiCall("end_users/create", http, idempotent=False, flight=flight)
        with _bad_reply_leaves_doubt("created"):
            created = self._caller.end_user(call, partial(not_as_sent, wanted))
        if not says_who(wanted, created):
            # Looking them up tells; an id alone may be anybody's.
            raise NoAnswerError("Wootric's reply does not say who was created")
        return created

    def update(
        self, wootric_id: int, changes: EndUserUpsert, flight: Flight = UNTRACKED
    ) -> EndUser:
        """Change fields of the end user with this id; `flight` is told of each exchange.

        Raises:
            CallFailedError: Wootric refuses it, or its reply can't be believed, so that it may have been
                made.
            WootricError: Wootric could not be asked.
        """
        http = update_end_user(changes, self._services, wootric_id)
        call = ApiCall("end_users/update", http, flight=flight)
        return self._caller.end_user(call, partial(not_as_sent, changes, number=wootric_id))

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
            NoAnswerError: the event may have been counted, or not.
            CallFailedError: Wootric refuses it.
            WootricError: the event could not be sent.
        """
        http = request(event, self._services, self._account_token)
        sent_once = partial(ApiCall, http=http, authorized=False, idempotent=False, again=again)
        if isinstance(event, EligibilityCheck):
            call = sent_once("eligible", most=_LARGEST_CHECK, flight=flight)
        else:
            call = sent_once("pixel", is_json=False, most=_LARGEST_PIXEL, flight=flight)
        with _bad_reply_leaves_doubt("taken"):
            reply = self._caller.make(call)
        return isinstance(reply, dict) and reply.get("eligible") is True

    def _found(self, call: ApiCall, doubt: Doubt) -> EndUser | None:
        try:
            return self._caller.end_user(call, doubt)
        except CallFailedError as error:
            if error.status == codes.not_found:
                return None
            raise

    def _ask_for_token(self, grant: Grant) -> Any:
        log.info("signing in by %s", grant["grant_type"])
        query = urlencode({"account_token": self._account_token})
        http = HttpCall("POST", f"{self._services.oauth}?{query}", grant)
        return self._caller.make(ApiCall("oauth", http, authorized=False, most=_LARGEST_TOKEN))


@contextmanager
def _bad_reply_leaves_doubt(done: str) -> Iterator[None]:
    """Raise a NoAnswerError for a reply that makes no sense: the call may have been carried out."""
    try:
        yield
    except CallFailedError as error:
        if error.code == BAD_REPLY:
            raise NoAnswerError(f"{error}, so it may have been {done}") from error
        raise


def _event_names(told: Any) -> frozenset[str]:
    """Return the names of registered events that the JSON of a reply tells."""
    if not isinstance(told, list):
        raise UnreachableError("Wootric's list of registered events is no list")
    return frozenset(name for name in told if isinstance(name, str))


def _page(told: Any, query: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the end users on the page that the JSON of a reply tells."""
    if not isinstance(told, list) or not all(isinstance(row, dict) for row in told):
        raise bad_reply("Wootric's list of end users is no list of end users")
    if has_more_than_asked(told, query):
        raise bad_reply(
            f"Wootric's list of end users has {len(told):,} on a page, more than the "
            f"{query['per_page']} asked for"
        )
    return told
