"""Surveys over HTTP: responses and declines (wootric.md 7), sent once and listed; turned off (8)."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from wootric_map.errors import CallFailedError
from wootric_map.survey_calls import (
    SETTINGS,
    Given,
    HeldSurveys,
    SurveyCall,
    SurveyKind,
    SurveysOff,
    given_of,
    kind_of_survey,
)
from wootric_map.wootric.call_tracker import CallTracker
from wootric_map.wootric.caller import Caller
from wootric_map.wootric.end_users import integer, seconds
from wootric_map.wootric.events import bad_reply_leaves_doubt
from wootric_map.wootric.http import LARGEST_REPLY
from wootric_map.wootric.regions import Services
from wootric_map.wootric.replies import MOST_VALUES
from wootric_map.wootric.reply_meaning import ApiCall, bad_reply
from wootric_map.wootric.requests import SURVEYS, HttpCall, create_survey
from wootric_map.wootric.requests import turn_surveys_off as surveys_off_request

PER_PAGE: Final = 50
_PAGES: Final = 30
"""The greatest page that may be asked for (wootric.md 3)."""

_SURELY_A_LAST_PAGE: Final = 10
"""Rows of a page after which there surely is no other: a server may give fewer to a page than asked for."""

_LARGEST_PAGE: Final = 8 * LARGEST_REPLY
_MOST_VALUES_IN_PAGE: Final = 4 * MOST_VALUES


def add_survey(
    caller: Caller, services: Services, survey: SurveyCall, tracker: CallTracker
) -> None:
    """Add a response or decline to an end user.

    Args:
        caller: makes the call.
        services: the addresses of the account's region.
        survey: the response or decline, with Wootric's own id of the end user.
        tracker: keeps a record of each attempt.

    Raises:
        NoAnswerError: nobody knows whether it was added.
        CallFailedError: Wootric refuses it.
        WootricError: Wootric could not be asked.
    """
    kind = kind_of_survey(survey)
    endpoint = f"{SURVEYS[kind]}/create"
    http = create_survey(survey, services)
    with bad_reply_leaves_doubt("added"):
        told = caller.make(ApiCall(endpoint, http, idempotent=False, tracker=tracker))
        if not isinstance(told, dict):
            raise bad_reply(f"Wootric's reply is no {kind}")
        _check_whose(told, int(survey.wootric_id or 0))
        score = integer(told.get("score"))
        if score is not None and score != given_of(survey)[1]:
            raise bad_reply(f"Wootric's reply is of another {kind}")


def turn_surveys_off(caller: Caller, services: Services, number: int) -> None:
    """Turn surveys off for an end user; done twice it has the same effect as once.

    Args:
        caller: makes the call.
        services: the addresses of the account's region.
        number: Wootric's own id of the end user.

    Raises:
        CallFailedError: Wootric refuses it, or its reply says that surveys are still on.
        WootricError: Wootric could not be asked.
    """
    http = surveys_off_request(SurveysOff(wootric_id=str(number)), services)
    told = caller.make(ApiCall("end_users/settings", http))
    if not isinstance(told, dict):
        raise bad_reply("Wootric's reply is no settings of an end user")
    _check_whose(told, number)
    settings = told.get("settings", told)
    left_on = [
        each for each in SETTINGS if isinstance(settings, dict) and settings.get(each) is True
    ]
    if left_on:
        raise bad_reply(f"Wootric's reply says that surveys are still on: {', '.join(left_on)}")


def list_surveys(
    caller: Caller, services: Services, number: int, kind: SurveyKind, at: int | None
) -> HeldSurveys:
    """Return the responses, or declines, that the account holds of an end user.

    Args:
        caller: makes the calls.
        services: the addresses of the account's region.
        number: Wootric's own id of the end user.
        kind: which of both.
        at: the only time that matters, in unix seconds; None for all.

    Raises:
        CallFailedError: Wootric refuses to list them, or the list makes no sense.
        WootricError: Wootric could not be asked.
    """
    found: set[Given] = set()
    seen: set[int] = set()
    for page in range(1, _PAGES + 1):
        query = {"page": page, "per_page": PER_PAGE} | ({} if at is None else {"created[eq]": at})
        address = f"{services.rest}/end_users/{number}/{SURVEYS[kind]}?{urlencode(query)}"
        rows = caller.make(
            ApiCall(
                f"{SURVEYS[kind]}/list",
                HttpCall("GET", address),
                most=_LARGEST_PAGE,
                most_values=_MOST_VALUES_IN_PAGE,
            )
        )
        if not isinstance(rows, list) or not all(isinstance(each, dict) for each in rows):
            raise bad_reply(f"Wootric's list of {SURVEYS[kind]} is no list of {SURVEYS[kind]}")
        found.update(_given(each, kind, number) for each in rows)
        ids = {each for row in rows if (each := integer(row.get("id"))) is not None}
        has_news = not ids <= seen
        seen |= ids
        if len(rows) < _SURELY_A_LAST_PAGE or len(rows) > PER_PAGE or not has_news:
            return HeldSurveys(frozenset(found))
    return HeldSurveys(frozenset(found), is_whole=False)


def _given(row: Mapping[str, Any], kind: SurveyKind, number: int) -> Given:
    """Return what a row of a reply tells of a response or decline.

    Raises:
        CallFailedError: the row is of another end user, or can't be read.
    """
    _check_whose(row, number)
    created_at = seconds(row.get("created_at"))
    score = integer(row.get("score")) if kind == "response" else None
    if created_at is None or (kind == "response" and score is None):
        raise _unreadable(kind)
    return created_at, score


def _check_whose(row: Mapping[str, Any], number: int) -> None:
    """Raise CallFailedError if a row of a reply is of another end user than the one of this number."""
    whose = integer(row.get("end_user_id"))
    if whose not in (None, number):
        raise bad_reply(f"Wootric's reply about end user {number} is of another one ({whose})")


def _unreadable(kind: SurveyKind) -> CallFailedError:
    what = "created_at and score" if kind == "response" else "created_at"
    return bad_reply(f"a {kind} in Wootric's reply has no {what} that can be read")
