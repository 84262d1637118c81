"""A Wootric account over HTTP: look-ups, writes and events (wootric.md 2 to 5)."""

import random
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from wootric_map.errors import CallFailedError, NoAnswerError
from wootric_map.model import EligibilityCheck, EndUser, EndUserUpsert, PageView
from wootric_map.survey_calls import HeldSurveys, SurveyCall, SurveyKind
from wootric_map.wootric import retry
from wootric_map.wootric.auth import Credentials, Grant, SignIn
from wootric_map.wootric.call_tracker import NO_TRACKER, CallTracker
from wootric_map.wootric.caller import Caller, log
from wootric_map.wootric.events import bad_reply_leaves_doubt, registered_events, send_event
from wootric_map.wootric.http import LARGEST_REPLY, Wire
from wootric_map.wootric.look_ups import find_end_user
from wootric_map.wootric.pace import Pace
from wootric_map.wootric.regions import Services, bare
from wootric_map.wootric.replies import (
    MOST_VALUES,
    has_more_than_asked,
    not_as_sent,
    says_who,
)
from wootric_map.wootric.reply_meaning import ApiCall, bad_reply
from wootric_map.wootric.requests import HttpCall, create_end_user, request, update_end_user
from wootric_map.wootric.secret_mask import SecretMask
from wootric_map.wootric.surveys import add_survey, list_surveys, turn_surveys_off

ABOUT_SANDBOX: Final = "_sandbox/about"
"""The endpoint at which a sandbox tells about itself, and which Wootric does not have."""

_SECRET_FIELDS: Final = ("client_secret", "password")
"""The fields of a sign-in that nobody may see."""

_LARGEST_TOKEN: Final = 64 * 1024
_LARGEST_PAGE: Final = 8 * LARGEST_REPLY
"""Bytes of a reply with fifty end users."""

_MOST_VALUES_IN_PAGE: Final = 20 * MOST_VALUES


class Wootric:
    """A Wootric account, over HTTP; may be used from several threads."""

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
            services: the addresses of the account's region.
            account_token: the token that names the account.
            credentials: the login of the account.
            pace: gives each call its turn.
            wait: waits so many seconds; returns true if the run was told to stop.
            connections: how many connections are kept open at most.
            retries: how often a call is tried again after a fault.
            connect_timeout: seconds to wait for a connection.
            read_timeout: seconds that a server may be silent once a request is sent.
            deadline: seconds for all tries of a call together, without the waits for a turn.
            give_up_after: seconds that Wootric may be down for all calls before no more are made.
            clock: returns the unix time.
            monotonic: returns seconds by a clock that is never set.
            jitter: returns a random number between two numbers.
            ca_bundle: the certificate authorities to trust on loopback; None for the usual ones.
        """
        self._services = services
        self._account_token = bare(account_token)
        self._mask = SecretMask()
        for field in _SECRET_FIELDS:
            self._mask.add(credentials.grant().get(field))
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
            self._mask,
            wait=wait,
            retries=retries,
            deadline=deadline,
            give_up_after=give_up_after,
            monotonic=monotonic,
            jitter=jitter,
        )

    @property
    def server_time(self) -> int | None:
        """The unix time by Wootric's own clock at the latest reply; None if no reply told."""
        return self._caller.server_time

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def sign_in(self) -> None:
        """Sign in, so that wrong credentials show before any other call.

        Raises:
            SignInRefusedError: the credentials or the account token are wrong.
            UnreachableError: Wootric does not answer.
        """
        self._sign_in.token()

    def registered_events(self) -> frozenset[str]:
        """Return the names of the events that count for eligibility (wootric.md 5).

        The set is empty if the account has no Targeted Sampling.

        Raises:
            UnreachableError: the list can't be had.
            WootricError: Wootric could not be asked.
        """
        return registered_events(self._caller, self._services, self._account_token)

    def find(self, wanted: EndUserUpsert) -> EndUser | None:
        """Look an end user up by Wootric's id, then external id, then email, else phone.

        Returns None if nobody is found. A look-up by phone finds no end user who has another email or
        external id, since households share phones. If `wanted` has an email, its phone is not looked up.

        Args:
            wanted: all that is known about the end user.

        Raises:
            CallFailedError: Wootric refuses the look-up, or the reply is about another end user.
            WootricError: Wootric could not be asked.
        """
        return find_end_user(self._caller, self._services, wanted)

    def list_end_users(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """Return a page of the account's end users as plain JSON (wootric.md 3).

        Args:
            query: parameters such as `page`, `per_page`, `created[gte]`.

        Raises:
            WootricError: Wootric could not be asked.
        """
        call = HttpCall("GET", f"{self._services.rest}/end_users?{urlencode(query)}")
        rows = self._caller.make(
            ApiCall("end_users/list", call, most=_LARGEST_PAGE, most_values=_MOST_VALUES_IN_PAGE)
        )
        return _page(rows, query)

    def sandbox_began(self) -> float | None:
        """Return the unix time at which a sandbox of this program was started or emptied.

        Returns None if the server is no such sandbox, or does not say. Nothing secret is sent.

        Raises:
            WootricError: the server could not be asked.
        """
        call = HttpCall("GET", f"{self._services.eligibility}/{ABOUT_SANDBOX}")
        try:
            told = self._caller.make(ApiCall(ABOUT_SANDBOX, call, authorized=False))
        except CallFailedError:
            return None
        is_sandbox = isinstance(told, dict) and told.get("sandbox") == "wootric-replay"
        began = told.get("began") if is_sandbox else None
        return began if isinstance(began, int | float) else None

    def create(self, wanted: EndUserUpsert, tracker: CallTracker = NO_TRACKER) -> EndUser:
        """Create an end user, and return it.

        Args:
            wanted: the fields of the end user.
            tracker: keeps a record of each attempt.

        Raises:
            NoAnswerError: nobody knows whether the end user was created.
            CallFailedError: Wootric refuses the end user.
            WootricError: Wootric could not be asked.
        """
        http = create_end_user(wanted, self._services)
        call = ApiCall("end_users/create", http, idempotent=False, tracker=tracker)
        with bad_reply_leaves_doubt("created"):
            created = self._caller.end_user(call, partial(not_as_sent, wanted))
        if not says_who(wanted, created):
            # An id alone may be anybody's; a look-up will tell.
            raise NoAnswerError("Wootric's reply does not say who was created")
        return created

    def update(
        self,
        wootric_id: int,
        changes: EndUserUpsert,
        tracker: CallTracker = NO_TRACKER,
        held: EndUser | None = None,
    ) -> EndUser:
        """Change fields of an end user, and return the end user.

        Args:
            wootric_id: Wootric's own id of the end user.
            changes: the fields to change.
            tracker: keeps a record of each attempt.
            held: the end user before the update, as far as that is known.

        Raises:
            CallFailedError: Wootric refuses the update, or the reply can't be believed, so that the update
                may have been made.
            WootricError: Wootric could not be asked.
        """
        http = update_end_user(changes, self._services, wootric_id)
        call = ApiCall("end_users/update", http, tracker=tracker)
        return self._caller.end_user(
            call, partial(not_as_sent, changes, number=wootric_id, held=held)
        )

    def send(
        self,
        event: EligibilityCheck | PageView,
        tracker: CallTracker = NO_TRACKER,
        *,
        resends: bool = False,
    ) -> bool:
        """Check eligibility, or send a page view; neither can be undone (wootric.md 5).

        Args:
            event: the call to send.
            tracker: keeps a record of each attempt.
            resends: whether to send the event again if no answer comes, though it may then count twice.

        Returns:
            Whether Wootric finds the user eligible; false for a page view.

        Raises:
            NoAnswerError: nobody knows whether the event was counted.
            CallFailedError: Wootric refuses the event.
            WootricError: the event could not be sent.
        """
        http = request(event, self._services, self._account_token)
        return send_event(self._caller, event, http, tracker, resends=resends)

    def add_survey(self, survey: SurveyCall, tracker: CallTracker = NO_TRACKER) -> None:
        """Add a survey response or decline to an end user; arguments and exceptions as in `surveys`."""
        add_survey(self._caller, self._services, survey, tracker)

    def list_surveys(self, number: int, kind: SurveyKind, at: int | None = None) -> HeldSurveys:
        """Return an end user's responses, or declines; arguments and exceptions as in `surveys`."""
        return list_surveys(self._caller, self._services, number, kind, at)

    def turn_surveys_off(self, number: int) -> None:
        """Turn surveys off for an end user; arguments and exceptions as in `surveys`."""
        turn_surveys_off(self._caller, self._services, number)

    def _ask_for_token(self, grant: Grant) -> Any:
        """Send the form that asks for a token, and return the JSON of the reply."""
        log.info("signing in by %s", grant["grant_type"])
        query = urlencode({"account_token": self._account_token})
        http = HttpCall("POST", f"{self._services.oauth}?{query}", grant)
        told = self._caller.make(ApiCall("oauth", http, authorized=False, most=_LARGEST_TOKEN))
        if isinstance(told, dict):
            self._mask.add(told.get("access_token"), "[token]")
            self._mask.add(told.get("refresh_token"), "[token]")
        return told


def _page(told: Any, query: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the end users in the JSON of a page; raise CallFailedError if it is no such page."""
    if not isinstance(told, list) or not all(isinstance(row, dict) for row in told):
        raise bad_reply("Wootric's list of end users is no list of end users")
    if has_more_than_asked(told, query):
        raise bad_reply(
            f"Wootric's list of end users has {len(told):,} on a page, more than the "
            f"{query['per_page']} asked for"
        )
    return told
