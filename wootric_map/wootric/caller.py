"""Making calls of the API until they are answered: turns, tokens, faults and doubt (wootric.md 2 to 4)."""

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
    bad_reply,
    content,
    end_user_told,
    refusal_words,
    was_not_taken,
)
from wootric_map.wootric.retry import Outage, Tries, was_too_fast

log: Final = logging.getLogger(__name__)
"""What `--verbose` shows: no personal data, no query, no token, and nothing in Wootric's own words."""

Doubt: TypeAlias = Callable[[EndUser], str | None]
"""Tells why an end user is not the one who must be in a reply; None if it is."""


class Caller:
    """Makes calls of the API; may be used from several threads."""

    def __init__(
        self,
        wire: Wire,
        pace: Pace,
        token: Callable[[str | None], str],
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
            token: returns a token, another one than that which was refused.
            wait: waits so many seconds; True if the run was told to stop.
            retries: how often a call is tried again.
            deadline: seconds for all tries of a call together, but for the waits for its turns.
            give_up_after: seconds that Wootric may be down for all calls before none is made any more.
            monotonic: seconds that only pass.
            jitter: a random number between two.
        """
        self._wire = wire
        self._pace = pace
        self._token = token
        self._wait = wait
        self._retries = retries
        self._deadline = deadline
        self._give_up_after = give_up_after
        self._monotonic = monotonic
        self._jitter = jitter
        self._outage = Outage(monotonic)
        self._trust = Trust()
        self.server_time: int | None = None
        """Unix seconds by Wootric's own clock at its latest reply; None where none told."""

    def make(self, call: ApiCall) -> Any:
        """Make a call, again where that may help; return its reply's JSON, None where it has none.

        Raises:
            NoAnswerError: the call may have been taken, and must not be made again.
            CallFailedError: the call was refused, or made in vain.
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
            stop=tries.enough,
            wait=tries.pause,
            before_sleep=self._before_pause,
            sleep=lambda seconds: self._pause(seconds, tries),
            reraise=True,
        )
        try:
            return retrying(self._attempt, call, tries)
        except (NotSentError, NoAnswerError, ServerFaultError, UnreachableError) as fault:
            if tries.in_doubt and not call.idempotent:
                raise NoAnswerError(str(fault)) from fault
            if isinstance(fault, UnreachableError):
                raise
            if self._outage.seconds >= self._give_up_after:
                raise self._given_up() from fault
            if isinstance(fault, CallFailedError):
                raise
            raise CallFailedError("unreachable", str(fault), None, None) from fault

    def end_user(self, call: ApiCall, doubt: Doubt) -> EndUser:
        """Make a call that is answered with an end user, and return that one.

        Raises:
            CallFailedError: the reply tells of nobody, or there is a doubt about whom.
            WootricError: as `make` raises it.
        """
        try:
            told = end_user_told(self.make(call))
            what = doubt(told)
            if what is not None:
                raise bad_reply(what)
        except CallFailedError as error:
            if error.code == BAD_REPLY and not isinstance(error, ServerFaultError):
                log.info("%s", error)
                self._trust.shaken(str(error))
            raise
        self._trust.earned()
        return told

    def _attempt(self, call: ApiCall, tries: Tries) -> Any:
        reply, token = self._turn(call, tries, refused=None)
        if call.authorized and reply.status == codes.unauthorized:
            reply, _ = self._turn(call, tries, refused=token)
            if reply.status == codes.unauthorized:
                raise SignInRefusedError(
                    f"Wootric refuses a token that it has just given out ({refusal_words(reply)}); "
                    "check that this login may use the API of this account"
                )
        return content(call, reply)

    def _turn(
        self, call: ApiCall, tries: Tries, *, refused: str | None
    ) -> tuple[Reply, str | None]:
        """Wait for a turn and make use of it; return the reply, and the token that was sent."""
        self._pace.take_turn(call.endpoint)
        reply = None
        try:
            # The token is taken after the wait for the turn, which may outlive it.
            token = self._token(refused) if call.authorized else None
            reply = self._exchange(call, tries, token)
        finally:
            if reply is None:
                self._pace.unanswered(call.endpoint)
        too_fast = reply.status == codes.too_many_requests
        self._pace.learn(call.endpoint, reply.headers, refused=too_fast)
        return reply, token

    def _exchange(self, call: ApiCall, tries: Tries, token: str | None) -> Reply:
        """Send a request and return its reply, whatever it says."""
        call.flight.departs()
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
                call.flight.returns()
            raise
        self._note(call, tries, str(reply.status), begun)
        if reply.status >= codes.server_error:
            self._outage.fault(f"status {reply.status}")
        elif reply.status != codes.too_many_requests:
            self._outage.answered()
        tries.in_doubt |= not was_not_taken(reply.status)
        if not tries.in_doubt:
            call.flight.returns()
        date = unix_time(reply.headers.get("Date"))
        self.server_time = self.server_time if date is None else int(date)
        return _without(token, reply)

    def _note(self, call: ApiCall, tries: Tries, ended: str, begun: float) -> None:
        milliseconds = (self._monotonic() - begun) * 1000
        log.info(
            "%s %s: %s in %.0f ms, attempt %d",
            *(call.http.method, call.endpoint, ended, milliseconds, tries.made),
        )

    def _before_pause(self, state: RetryCallState) -> None:
        """Raise if another try is not worth waiting for."""
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


def _in_short(fault: BaseException | None) -> str:
    """Return a fault without Wootric's own words, which may hold anything."""
    if isinstance(fault, CallFailedError) and fault.code == "server_error":
        return f"status {fault.status}"
    return str(fault)


def _without(token: str | None, reply: Reply) -> Reply:
    """Return the reply without the token, which an error might repeat."""
    if token is None or reply.status < codes.multiple_choices:
        return reply
    return reply._replace(body=reply.body.replace(token.encode(), b"[token]"))
