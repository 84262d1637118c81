"""The HTTP request of each call (wootric.md 3 and 5)."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote_plus

from wootric_map.model import Call, EligibilityCheck, EndUserUpsert, PageView, property_field
from wootric_map.survey_calls import (
    SurveyCall,
    SurveyDecline,
    SurveyKind,
    SurveyResponse,
    SurveysOff,
    kind_of_survey,
)
from wootric_map.wootric.regions import Services

USUAL_RATE: Final = 100.0
"""Calls a minute that many endpoints allow an account (wootric.md 4)."""

SURVEYS: Final[Mapping[SurveyKind, str]] = {"response": "responses", "decline": "declines"}
"""The last part of the address of an end user's responses, and of their declines (wootric.md 7)."""

_CACHEABLE: Final = 128
"""Characters of the longest text whose encoded form is kept."""


class HttpCall(NamedTuple):
    """An HTTP request without its bearer token."""

    method: str
    url: str
    form: Mapping[str, str] | None = None
    """The form of a POST or PUT, before its encoding; None for a GET."""

    def __repr__(self) -> str:
        """Return the request without its query and its form, which may hold a secret."""
        return f"HttpCall({self.method} {self.url.partition('?')[0]})"


def request(call: Call, services: Services, account_token: str | None) -> HttpCall:
    """Return the HTTP request of a call.

    Args:
        call: the call; an end user's fields give the request that creates the end user.
        services: the addresses of the account's region.
        account_token: the token that names the account; None leaves it out of the address, for `map`.
    """
    if isinstance(call, EndUserUpsert):
        return create_end_user(call, services)
    if isinstance(call, SurveyResponse | SurveyDecline):
        return create_survey(call, services)
    if isinstance(call, SurveysOff):
        return turn_surveys_off(call, services)
    if isinstance(call, EligibilityCheck):
        return _eligibility_check(call, services, account_token)
    return _page_view(call, services, account_token)


def create_end_user(end_user: EndUserUpsert, services: Services) -> HttpCall:
    """Return the request that creates an end user."""
    return HttpCall("POST", f"{services.rest}/end_users", dict(end_user.fields()))


def update_end_user(changes: EndUserUpsert, services: Services, wootric_id: int) -> HttpCall:
    """Return the request that changes the end user with this id."""
    return HttpCall("PUT", f"{services.rest}/end_users/{wootric_id}", dict(changes.fields()))


def create_survey(survey: SurveyCall, services: Services) -> HttpCall:
    """Return the request that adds a response or decline to an end user.

    If Wootric's own id of the end user is not known, `{id}` stands for it in the address.
    """
    last = SURVEYS[kind_of_survey(survey)]
    address = f"{services.rest}/end_users/{survey.wootric_id or '{id}'}/{last}"
    return HttpCall("POST", address, dict(survey.fields()))


def turn_surveys_off(call: SurveysOff, services: Services) -> HttpCall:
    """Return the request that turns surveys off for an end user (wootric.md 8).

    If Wootric's own id of the end user is not known, `{id}` stands for it in the address.
    """
    address = f"{services.rest}/end_users/{call.wootric_id or '{id}'}/settings"
    return HttpCall("PUT", address, dict(call.fields()))


def form_encoded(pairs: Iterable[tuple[str, str | int]]) -> str:
    """Return names and values as the body of a form, or as the query of an address."""
    return "&".join([f"{_quoted(name)}={_quoted(str(value))}" for name, value in pairs])


def _quoted(text: str) -> str:
    return _cached_quoted(text) if len(text) <= _CACHEABLE else quote_plus(text)


@lru_cache(maxsize=4_096)  # most names and many values are those of the calls before
def _cached_quoted(text: str) -> str:
    return quote_plus(text)


def _eligibility_check(
    check: EligibilityCheck, services: Services, account_token: str | None
) -> HttpCall:
    query = {
        "account_token": account_token,
        "email": check.email,
        "event_name": check.event_name,
        "external_id": check.external_id,
        "phone_number": check.phone_number,
        "end_user_created_at": check.end_user_created_at,
        "language[code]": check.language or None,
    }
    properties = {property_field(name): value for name, value in check.properties.items()}
    return _get(f"{services.eligibility}/eligible.json", {**query, **properties})


def _page_view(view: PageView, services: Services, account_token: str | None) -> HttpCall:
    query = {
        "account_token": account_token,
        "email": view.email,
        "created_at": view.created_at,
        "url": view.url,
        "random": view.random,
        "page_info[name]": view.name or None,
        "page_info[path]": view.path or None,
    }
    return _get(services.pixel, query)


def _get(address: str, query: Mapping[str, str | int | None]) -> HttpCall:
    """Return the request of an address with a query; parameters that are None are left out."""
    told = ((name, value) for name, value in query.items() if value is not None)
    return HttpCall("GET", f"{address}?{form_encoded(told)}")
