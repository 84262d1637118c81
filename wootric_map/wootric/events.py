"""Events over HTTP (wootric.md 5): which are registered, eligibility checks and page views."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final
from urllib.parse import urlencode

from wootric_map.errors import CallFailedError, NoAnswerError, UnreachableError
from wootric_map.model import EligibilityCheck, PageView
from wootric_map.wootric.call_tracker import CallTracker
from wootric_map.wootric.caller import Caller
from wootric_map.wootric.regions import Services
from wootric_map.wootric.reply_meaning import BAD_REPLY, ApiCall
from wootric_map.wootric.requests import HttpCall

_LARGEST_CHECK: Final = 256 * 1024
"""Bytes of a reply that may hold the texts of a survey."""
_LARGEST_PIXEL: Final = 64 * 1024

_FEATURE_OFF: Final = frozenset({404, 423})
"""The statuses that say that the account has no Targeted Sampling."""


def registered_events(caller: Caller, services: Services, account_token: str) -> frozenset[str]:
    """Return the names of the registered events; arguments and exceptions as in `Wootric`."""
    query = urlencode({"account_token": account_token})
    call = HttpCall("GET", f"{services.eligibility}/registered_events.json?{query}")
    try:
        told = caller.make(ApiCall("registered_events", call, authorized=False))
    except CallFailedError as error:
        if error.status in _FEATURE_OFF:
            return frozenset()
        message = f"the list of registered events can't be had: {error}"
        raise UnreachableError(message) from error
    if not isinstance(told, list):
        raise UnreachableError("Wootric's list of registered events is no list")
    return frozenset(name for name in told if isinstance(name, str))


def send_event(
    caller: Caller,
    event: EligibilityCheck | PageView,
    http: HttpCall,
    tracker: CallTracker,
    *,
    resends: bool,
) -> bool:
    """Send an event once; return whether its user is eligible.

    Args:
        caller: makes the call.
        event: the event.
        http: the call for the event.
        tracker, resends: as in `Wootric.send`, which names the exceptions.
    """
    sent_once = partial(ApiCall, http=http, authorized=False, idempotent=False, resends=resends)
    if isinstance(event, EligibilityCheck):
        call = sent_once("eligible", most=_LARGEST_CHECK, tracker=tracker)
    else:
        call = sent_once("pixel", is_json=False, most=_LARGEST_PIXEL, tracker=tracker)
    with bad_reply_leaves_doubt("taken"):
        reply = caller.make(call)
    return isinstance(reply, dict) and reply.get("eligible") is True


@contextmanager
def bad_reply_leaves_doubt(done: str) -> Iterator[None]:
    """Turn the error about a senseless reply into a NoAnswerError: the call may have been carried out."""
    try:
        yield
    except CallFailedError as error:
        if error.code == BAD_REPLY:
            raise NoAnswerError(f"{error}, so it may have been {done}") from error
        raise
