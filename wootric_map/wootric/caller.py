"""Making calls of the API: pace, tokens, retries, and replies that can't be believed (wootric.md 2 to 4)."""

import logging
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from requests import codes
from tenacity import RetryCallState, Retrying, retry_if_exception_type

from wootric_map.errors import (
    CallFailedError,
    NoAnswerError,
    NotSentError,
    ServerFaultError,
    SignInRefusedError,
    StoppedError,
    TooFastError,
    UnreachableError,
    WootricError,
)
from wootric_map.model import EndUser
from wootric_map.wootric.http import Reply, Wire
from wootric_map.wootric.pace import Pace, unix_time
from wootric_map.wootric.replies import Trust
from wootric_map.wootric.reply_meaning import (
    BAD_REPLY,
    ApiCall,
    Mask,
    bad_reply,
    content,
    end_user_told,
    refusal_words,
    was_not_taken,
)
from wootric_map.wootric.retry import Outage, Tries, was_too_fast

log: Final = logging.getLogger(__name__)
"""The log of `--verbose`: no personal data, no query, no token, and none of Wootric's own words."""

Mismatch: TypeAlias = Callable[[EndUser], str | None]
"""Returns why an end user in a reply can't be the expected one; None if it can."""


class Caller:
    """Makes calls of the API and retries them; may be used from several threads."""

    def __init__(
        self,
        wire: Wire,
        pace: Pace,
        token: Callable[[str | None], str],
        mask: Mask,
        *,
        wait: Callable[[float], bool],
        retries: int,
        deadline: float,
        give_up_after: float,
        monotonic: Callable[[], float],
        jitter: Callable[[float, float], float],
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            wire: sends a request and reads its reply.
            pace: gives each call its turn.
            token: returns a token that differs from its argument, a token that was refused.
            mask: returns a text without the secrets of the login.
            wait: waits so many seconds; returns true if the run was told to stop.
            retries: how often a call is tried again.
            deadline: seconds for all tries of a call together, without the waits for a turn.
            give_up_after: seconds that Wootric may be down for all calls before no more are made.
            monotonic: returns seconds by a clock that is never set.
            jitter: returns a random number between two numbers.
        """
        self._wire = wire
        self._pace = pace
        self._token = token
        self._mask = mask
        self._wait = wait
        self._retries = retries
        self._deadline = deadline
        self._give_up_after = give_up_after
        self._monotonic = monotonic
        self._jitter = jitter
        self._outage = Outage(monotonic)
        self._trust = Trust()
        self.server_time: int | None = None
        """The unix time by Wootric's own clock at the latest reply; None if no reply told."""

    def make(self, call: ApiCall) -> Any:
        """Make a call, with retries, and return the JSON of its reply; None for a call without JSON.

        Raises:
            NoAnswerError: the call may have been taken, and must not be made again.
            CallFailedError: the call was refused, or all tries failed.
            UnreachableError: Wootric is down, or can't be trusted.
            SignInRefusedError: Wootric refuses the token.
            NotBelievedError: too many replies in a row could not be believed.
            StoppedError: the run was told to stop.
        """
        self._trust.check()
        if self._outage.seconds >= self._give_up_after:
            raise self._given_up()
        tries = Tries(self._retries, self._deadline, clock=self._monotonic, jitter=self._jitter)
        unanswered = (NoAnswerError,) if call.repeatable else ()
        retrying = Retrying(
            retry=retry_if_exception_type(
                (NotSentError, ServerFaultError, TooFastError, *unanswered)
            ),
            stop=tries.should_stop,
            wait=tries.pause,
            before_sleep=self._before_pause,
            sleep=lambda seconds: self._pause(seconds, tries),
            reraise=True,
        )
        try:
            return retrying(self._attempt, call, tries)
        except (NotSentError, NoAnswerError, ServerFaultError, UnreachableError) as fault:
            if tries.in_doubt and not call.idempotent:
                under_way = isinstance(fault, NoAnswerError) and fault.may_be_under_way
                raise NoAnswerError(str(fault), may_be_under_way=under_way) from fault
            if isinstance(fault, UnreachableError):
                raise
            if self._outage.seconds >= self._give_up_after:
                raise self._given_up() from fault
            if isinstance(fault, CallFailedError):
                raise
            raise CallFailedError("unreachable", str(fault), None, None) from fault

    def end_user(self, call: ApiCall, mismatch: Mismatch) -> EndUser:
        """Make a call that is answered with an end user, and return that end user.

        Args:
            call: the call.
            mismatch: tells why the end user can't be the expected one.

        Raises:
            CallFailedError: the call fails, the reply holds no end user, or not the expected one.
            WootricError: the call can't be made.
        """
        try:
            told = end_user_told(self.make(call))
            what = mismatch(told)
            if what is not None:
                raise bad_reply(what)
        except CallFailedError as error:
            if error.code == BAD_REPLY and not isinstance(error, ServerFaultError):
                log.info("%s", error)
                self._trust.note_unbelieved(str(error))
            raise
        self._trust.note_believed()
        return told

    def _attempt(self, call: ApiCall, tries: Tries) -> Any:
        """Make a call once, or twice if the token has ended meanwhile; return the JSON of its reply."""
        reply, token = self._turn(call, tries, refused=None)
        if call.authorized and reply.status == codes.unauthorized:
            reply, _ = self._turn(call, tries, refused=token)
            if reply.status == codes.unauthorized:
                words = refusal_words(reply, self._mask)
                raise SignInRefusedError(
                    f"Wootric refuses a token that it has just given out ({words}); "
                    "check that this login may use the API of this account"
                )
        return content(call, reply, self._mask)

    def _turn(
        self, call: ApiCall, tries: Tries, *, refused: str | None
    ) -> tuple[Reply, str | None]:
        """Wait for a turn, and send the call; return the reply, and the token that was sent."""
        self._pace.take_turn(call.endpoint)
        reply = None
        try:
            # The wait for the turn may be longer than a token lasts, so the token comes after it.
            token = self._token(refused) if call.authorized else None
            reply = self._exchange(call, tries, token)
        finally:
            if reply is None:
                self._pace.unanswered(call.endpoint)
        too_fast = reply.status == codes.too_many_requests
        self._pace.learn(call.endpoint, reply.headers, refused=too_fast)
        return reply, token

    def _exchange(self, call: ApiCall, tries: Tries, token: str | None) -> Reply:
        """Send the request and return the reply, whatever its status."""
        call.tracker.about_to_send()
        tries.made += 1
        begun = self._monotonic()
        try:
            with self._outage.counting(), tries.timed():
                reply = self._wire.exchange(call.http, token, tries.left, call.most)
        except WootricError as fault:
            self._note(call, tries, str(fault), begun)
            self._outage.fault(str(fault))
            tries.in_doubt |= isinstance(fault, NoAnswerError)
            if not tries.in_doubt:
                call.tracker.not_carried_out()
            raise
        self._note(call, tries, str(reply.status), begun)
        if reply.status >= codes.server_error:
            self._outage.fault(f"status {reply.status}")
        elif reply.status != codes.too_many_requests:
            self._outage.answered()
        tries.in_doubt |= not was_not_taken(reply.status)
        if not tries.in_doubt:
            call.tracker.not_carried_out()
        date = unix_time(reply.headers.get("Date"))
        self.server_time = self.server_time if date is None else int(date)
        return reply

    def _note(self, call: ApiCall, tries: Tries, ended: str, begun: float) -> None:
        """Log how an attempt ended."""
        milliseconds = (self._monotonic() - begun) * 1000
        log.info(
            "%s %s: %s in %.0f ms, attempt %d",
            *(call.http.method, call.endpoint, ended, milliseconds, tries.made),
        )

    def _before_pause(self, state: RetryCallState) -> None:
        """Log the coming pause, or raise an error if Wootric has been down for too long."""
        seconds = state.upcoming_sleep
        if was_too_fast(state):
            log.info("too fast: trying again at the next turn")
            return
        if self._outage.seconds + seconds >= self._give_up_after:
            raise self._given_up()
        fault = state.outcome.exception() if state.outcome else None
        log.info("trying again in %.1f s, after %s", seconds, _in_short(fault))

    def _pause(self, seconds: float, tries: Tries) -> None:
        """Wait before the next try."""
        if seconds:
            self._pace.note_wait(seconds, "after a fault")
        with self._outage.counting(), tries.timed():
            stopped = self._wait(seconds)
        if stopped:
            raise StoppedError

    def _given_up(self) -> UnreachableError:
        """Return the error that ends a run because Wootric has been down for too long."""
        outage = self._outage
        log.info("giving up: down for %.0f s, latest %s", outage.seconds, outage.latest)
        return UnreachableError(
            f"Wootric has been down for {outage.seconds:.0f} s (the latest: {outage.latest}); run "
            "the same command again later, or be more patient with --give-up-after"
        )


def _in_short(fault: BaseException | None) -> str:
    """Return the message of a fault without Wootric's own words, which may hold personal data."""
    if isinstance(fault, CallFailedError) and fault.code == "server_error":
        return f"status {fault.status}"
    return str(fault)
