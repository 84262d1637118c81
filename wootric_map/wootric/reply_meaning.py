"""What a reply means for its call, by its status, its JSON and its words (wootric.md 3)."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeAlias

import orjson
from requests import codes

from wootric_map.errors import CallFailedError, NoAnswerError, ServerFaultError, TooFastError
from wootric_map.model import EndUser
from wootric_map.wootric.call_tracker import NO_TRACKER, CallTracker
from wootric_map.wootric.end_users import clean, end_user_from
from wootric_map.wootric.http import LARGEST_REPLY, Reply
from wootric_map.wootric.pace import number
from wootric_map.wootric.replies import MOST_VALUES, has_too_many_values, is_too_deep
from wootric_map.wootric.requests import HttpCall

BAD_REPLY: Final = "bad_reply"
"""The code of a failure whose reply is about somebody else, or makes no sense."""

_LONGEST_WORDS: Final = 1_000
"""Characters of Wootric's own words that a message shows."""

_LONGEST_BODY: Final = 2_000
"""Bytes of a reply that are kept with a failure."""

_LARGE_NUMBER: Final = re.compile(rb"[0-9]{19}")
"""A number that may be past 64 bits; orjson would round it."""

_FAILED_ITSELF: Final = frozenset({500, 501, 503})
"""The statuses of Wootric's own failures; any other 5xx is a gateway's."""

Mask: TypeAlias = Callable[[str], str]
"""Returns a text without the secrets of the login."""

_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class ApiCall:
    """A call of the API: its request, how it may be made, and what its reply may be."""

    endpoint: str
    """The name of the endpoint, for the pace and the log."""
    http: HttpCall
    """The request."""
    authorized: bool = True
    """Whether the call carries a token."""
    idempotent: bool = True
    """Whether making the call twice has the same effect as making it once."""
    resends: bool = False
    """Whether a call that is not idempotent is made again all the same if no answer comes."""
    is_json: bool = True
    """Whether the reply is JSON."""
    most: int = LARGEST_REPLY
    """Bytes of the reply's body that are accepted."""
    most_values: int = MOST_VALUES
    """Values in the reply's JSON that are accepted."""
    tracker: CallTracker = NO_TRACKER
    """Keeps a record of each attempt."""

    @property
    def repeatable(self) -> bool:
        """Whether the call is made again if no answer comes."""
        return self.idempotent or self.resends


def content(call: ApiCall, reply: Reply, mask: Mask) -> Any:
    """Return the JSON of a reply to a call that was taken; None for a call without JSON.

    Args:
        call: the call.
        reply: the reply.
        mask: returns a text without the secrets of the login; what an error shows goes through it.

    Raises:
        ServerFaultError: the call was not taken, or may be made again; it may work later.
        TooFastError: the call was over the limit.
        CallFailedError: the call was refused, or the reply makes no sense.
        NoAnswerError: the call may have been taken, and must not be made again.
    """
    status = reply.status
    if codes.ok <= status < codes.multiple_choices:
        return _json(call, reply) if call.is_json else None
    if status < codes.ok:
        raise NoAnswerError(f"Wootric's reply is none ({status})")
    if status == codes.too_many_requests:
        raise TooFastError("too_fast", "Wootric still says: too many requests", status, None)
    if status < codes.bad_request:
        message = f"{call.endpoint} redirects elsewhere ({status}), which is not followed"
        raise CallFailedError("redirected", message, status, _shown(reply, mask))
    words = refusal_words(reply, mask)
    if status < codes.server_error:
        message = f"Wootric refused it with {status}: {words}"
        raise CallFailedError("refused", message, status, _shown(reply, mask))
    message = f"Wootric failed with {status}: {words}"
    if not (call.repeatable or was_not_taken(status)):
        # The reply is a gateway's, and Wootric behind it may have taken the call.
        raise NoAnswerError(message, may_be_under_way=status == codes.gateway_timeout)
    fault = ServerFaultError("server_error", message, status, _shown(reply, mask))
    fault.retry_after = number(reply.headers.get("Retry-After")) or 0.0
    raise fault


def was_not_taken(status: int) -> bool:
    """Tell whether a reply of this status proves that its call was not carried out."""
    refused = codes.multiple_choices <= status < codes.server_error
    return refused or status in _FAILED_ITSELF


def refusal_words(reply: Reply, mask: Mask) -> str:
    """Return Wootric's own words about an error, cut short and masked, from either form of its errors."""
    words = mask(_all_words(reply))
    return words if len(words) <= _LONGEST_WORDS else f"{words[:_LONGEST_WORDS]}…"


def bad_reply(message: str, status: int | None = None) -> CallFailedError:
    """Return the error of a call whose reply is about somebody else, or makes no sense."""
    return CallFailedError(BAD_REPLY, message, status, None)


def end_user_told(told: Any) -> EndUser:
    """Return the end user in the JSON of a reply.

    Raises:
        CallFailedError: the JSON is no end user.
    """
    try:
        return end_user_from(told)
    except ValueError as error:
        raise bad_reply("Wootric's reply is no end user") from error


def _json(call: ApiCall, reply: Reply) -> Any:
    """Return the JSON of a 2xx reply; raise an error if it is too long, too deep or no JSON."""
    status = reply.status
    if reply.is_too_long or has_too_many_values(reply.body, call.most_values):
        raise bad_reply("Wootric's reply is longer than any such reply can be", status)
    try:
        told = _parsed(reply.body)
    except ValueError as error:
        if not call.repeatable:
            raise NoAnswerError(f"{error}, so it may have been taken") from error
        raise ServerFaultError(BAD_REPLY, str(error), status, None) from error
    if is_too_deep(told):
        raise bad_reply("Wootric's reply is nested deeper than any such reply can be", status)
    return told


def _parsed(body: bytes) -> Any:
    """Return a reply's JSON.

    Raises:
        ValueError: the body is no JSON.
    """
    if _LARGE_NUMBER.search(body):
        with suppress(ValueError, RecursionError):
            return json.loads(body)
    with suppress(orjson.JSONDecodeError):
        return orjson.loads(body)
    with suppress(ValueError, RecursionError):
        return json.loads(body)  # it accepts half of a surrogate pair, which Wootric may send
    # Raised outside the handlers, the error has no context, which would hold the reply.
    raise ValueError("Wootric's reply is no JSON")


def _all_words(reply: Reply) -> str:
    """Return Wootric's own words about an error in full, or the phrase of the status."""
    told = None
    if not has_too_many_values(reply.body):
        with suppress(ValueError):
            told = _parsed(reply.body)
    if isinstance(told, dict) and not is_too_deep(told):
        errors = told.get("errors")
        if isinstance(errors, list):
            words = [str(each.get("message")) for each in errors if isinstance(each, dict)]
            return clean("; ".join(words)) or "no reason given"
        said = told.get("error_description") or told.get("error")
        if isinstance(said, str):
            return clean(said)
    return _PHRASES.get(reply.status, "no reason given")


def _shown(reply: Reply, mask: Mask) -> str:
    """Return the beginning of a reply, masked, as UTF-8: the encoding that a reply names may be wrong."""
    masked = mask(reply.body.decode(errors="surrogateescape"))
    return masked.encode(errors="surrogateescape")[:_LONGEST_BODY].decode(errors="replace")
