"""Which records say of themselves that they are survey responses or declines (wootric.md 7)."""

from collections.abc import Mapping
from typing import Any, Final

from wootric_map.read.json_lines import as_object
from wootric_map.survey_calls import SurveyKind
from wootric_map.values.trait_names import spelling

EVENT_TYPE: Final = "eventtype"
"""The option of a destination that says what a record is, as `trait_names.spelling` returns it."""

_EVENT_TYPES: Final[Mapping[str, SurveyKind]] = {
    "createresponse": "response",
    "createdecline": "decline",
}
"""The kinds by the event types of RudderStack's destination, as `trait_names.spelling` returns these."""


def survey_kind(integrations: Mapping[str, Any]) -> SurveyKind | None:
    """Return what a record is by its `integrations`; None if it is neither a response nor a decline.

    Args:
        integrations: the record's `integrations`, such as `{"Wootric": {"eventType": "create decline"}}`.
            The name of the destination, the option and its value count in any spelling.
    """
    for name, value in integrations.items():
        options = as_object(value) if spelling(name) == "wootric" else None
        for key, told in (options or {}).items():
            if spelling(key) == EVENT_TYPE and isinstance(told, str):
                kind = _EVENT_TYPES.get(spelling(told))
                if kind:
                    return kind
    return None
