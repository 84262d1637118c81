"""The calls about surveys: responses, declines (wootric.md 7), and turning surveys off (wootric.md 8)."""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

Pairs: TypeAlias = list[tuple[str, str]]
"""Names and values in the order in which they are sent."""


@dataclass(frozen=True, slots=True)
class SurveyResponse:
    """The call for a track record that is a survey response (wootric.md 7)."""

    score: int
    """From 0 to 10."""
    created_at: int
    """When the end user responded, in unix seconds."""
    text: str | None = None
    ip_address: str | None = None
    origin_url: str | None = None
    wootric_id: str | None = None
    """Wootric's own id of the end user, if it is known; a part of the address."""
    email: str | None = None
    """With `external_id` and `phone_number`, what the end user is looked up by; never sent."""
    external_id: str | None = None
    phone_number: str | None = None

    def fields(self) -> Pairs:
        """Return the form of `POST /end_users/{id}/responses`: the fields that have a value."""
        return _survey_form(
            score=self.score,
            created_at=self.created_at,
            text=self.text,
            ip_address=self.ip_address,
            origin_url=self.origin_url,
        )


@dataclass(frozen=True, slots=True)
class SurveyDecline:
    """The call for a track record that says that a survey was declined (wootric.md 7)."""

    created_at: int
    """When the end user declined, in unix seconds."""
    origin_url: str | None = None
    wootric_id: str | None = None
    """Wootric's own id of the end user, if it is known; a part of the address."""
    email: str | None = None
    """With `external_id` and `phone_number`, what the end user is looked up by; never sent."""
    external_id: str | None = None
    phone_number: str | None = None

    def fields(self) -> Pairs:
        """Return the form of `POST /end_users/{id}/declines`: the fields that have a value."""
        return _survey_form(created_at=self.created_at, origin_url=self.origin_url)


SETTINGS: Final = ("email_nps", "mobile_nps", "web_nps")
"""The settings of an end user that turn surveys on and off, one for each way of asking (wootric.md 8)."""


@dataclass(frozen=True, slots=True)
class SurveysOff:
    """The call that turns surveys off for one end user (wootric.md 8)."""

    wootric_id: str | None = None
    """Wootric's own id of the end user, if it is known; a part of the address."""
    email: str | None = None
    """With `external_id` and `phone_number`, what the end user is looked up by; never sent."""
    external_id: str | None = None
    phone_number: str | None = None

    def fields(self) -> Pairs:
        """Return the form of `PUT /end_users/{id}/settings`."""
        return [(name, "false") for name in SETTINGS]


def _survey_form(**fields: str | int | None) -> Pairs:
    return [(name, str(value)) for name, value in fields.items() if value is not None]


SurveyCall: TypeAlias = SurveyResponse | SurveyDecline

SurveyKind: TypeAlias = Literal["response", "decline"]
"""What an end user did with a survey."""

Given: TypeAlias = tuple[int, int | None]
"""What tells a response or decline of an end user from others: the second, and the score of a response."""


class HeldSurveys(NamedTuple):
    """The responses, or the declines, that an account holds of an end user."""

    given: frozenset[Given]
    is_whole: bool = True
    """Whether these are all; else the list has more pages than may be asked for."""


def given_of(call: SurveyCall) -> Given:
    """Return what tells a response or decline from others of its end user."""
    return call.created_at, call.score if isinstance(call, SurveyResponse) else None


def kind_of_survey(call: SurveyCall) -> SurveyKind:
    """Return the kind of a response or decline."""
    return "response" if isinstance(call, SurveyResponse) else "decline"
