"""Opt-outs: whether a record's `integrations` and its user's consent let Wootric have it (segment.md 3).

An opt-out in any spelling counts, and wins over any opt-in.
"""

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, Final, Literal, TypeAlias

from wootric_map.model import MappingWarning, Skip
from wootric_map.read.json_lines import as_object
from wootric_map.read.survey_records import EVENT_TYPE
from wootric_map.values.trait_names import spelling

_Verdict: TypeAlias = Literal["no", "yes"] | None
"""Whether a dictionary of destinations lets Wootric have a record; None if it does not say."""

_NO: Final = frozenset(
    {
        "", "0", "false", "no", "off", "n", "f", "null", "none", "nil", "undefined", "never",
        "disable", "disabled", "deny", "denied", "decline", "declined", "refuse", "refused",
        "reject", "rejected", "optout", "optedout", "revoke", "revoked", "withheld", "withdrawn",
        "block", "blocked",
    }
)  # fmt: skip
"""Texts that refuse, as `trait_names.spelling` returns them."""
_YES: Final = frozenset(
    {
        "1", "true", "yes", "on", "y", "t", "enable", "enabled", "allow", "allowed", "grant",
        "granted", "accept", "accepted", "optin", "optedin",
    }
)  # fmt: skip
"""Texts that agree, as `trait_names.spelling` returns them."""
_ABSENT: Final = (None, "")
"""Values that say nothing where a dictionary is expected."""


def turned_off_place(
    data: Mapping[str, Any], integrations: Mapping[str, Any], context: Mapping[str, Any]
) -> str | None:
    """Return the place in a record that turns Wootric off, such as `integrations`; None if there is none.

    Args:
        data: the record's JSON.
        integrations: the record's `integrations`.
        context: the record's `context`.
    """
    if integrations and _verdict(integrations) == "no":
        return "integrations"
    options, in_context = data.get("options"), context.get("integrations")
    providers = data.get("providers")
    if options is in_context is providers is None:
        return None
    options = as_object(options) or {}
    for place, destinations in (
        ("options.integrations", options.get("integrations")),
        ("context.integrations", in_context),
        ("providers", providers),
    ):
        if _verdict(destinations) == "no":
            return place
    return None


def withheld_place(context: Mapping[str, Any], categories: Collection[str]) -> str | None:
    """Return the place in a record's context where its user withholds consent; None if there is none.

    Args:
        context: the record's `context`.
        categories: categories that the user must have agreed to. Without any, a user who refused all
            categories withholds consent.
    """
    consent = context.get("consent")
    if consent is None:
        return None
    fields = as_object(consent)
    if fields is None:
        return "context.consent" if consent not in _ABSENT and _says_no(consent) else None
    verdict = _verdict(fields.get("destinationPreferences"))
    if verdict == "no":
        return "context.consent.destinationPreferences"
    default = fields.get("defaultDestinationBehavior")
    if verdict is None and default not in _ABSENT and _says_no(default):
        return "context.consent.defaultDestinationBehavior"
    preferences = as_object(fields.get("categoryPreferences"))
    if preferences is None:
        return None
    if categories:
        is_refused = not all(_agrees_to(category, preferences) for category in categories)
    else:
        is_refused = bool(preferences) and all(map(_says_no, preferences.values()))
    return "context.consent.categoryPreferences" if is_refused else None


def not_judged(context: Mapping[str, Any]) -> MappingWarning | None:
    """Return the warning about a user who refused some categories, if the run names no category to judge by.

    Args:
        context: the record's `context`.
    """
    consent = context.get("consent")
    fields = None if consent is None else as_object(consent)
    preferences = as_object(fields.get("categoryPreferences")) if fields else None
    if not (preferences and any(map(_says_no, preferences.values()))):
        return None
    message = (
        "its user refused some categories of consent, and which of them Wootric needs is not known: it is "
        "sent; name each that must be true with --consent-category"
    )
    return MappingWarning(
        "consent_not_judged", "context.consent.categoryPreferences", message, "categoryPreferences"
    )


@cache
def opt_out_skip(kind: str, place: str) -> Skip:
    """Return the skip of a record that Wootric must not have (segment.md 2 and 3).

    Args:
        kind: the record's type.
        place: the place in the record that says so.
    """
    if place.startswith("context.consent"):
        message = "its user withholds consent for Wootric, so that nothing is sent"
        return Skip("consent_withheld", kind, place, message)
    message = f"its {place} turn Wootric off; --ignore-integrations sends it all the same"
    return Skip("integration_disabled", kind, place, message)


def says_nothing(integrations: Mapping[str, Any]) -> bool:
    """Tell whether a quick look shows that `integrations` do not matter; False in case of doubt.

    They matter if they turn a destination off, or say that the record is a survey response or decline.
    """
    for value in integrations.values():
        if value is not True and not (
            type(value) is dict
            and not any("abled" in name or name == EVENT_TYPE for name in map(spelling, value))
        ):
            return False
    return True


def _verdict(destinations: object) -> _Verdict:
    """Return what `destinations`, a dictionary by name or a value in its place, says of Wootric."""
    fields = as_object(destinations)
    if fields is None:
        return "no" if destinations not in _ABSENT and _says_no(destinations) else None
    is_all_on, is_wootric_on = True, False
    for key, value in fields.items():
        name = spelling(key)
        if name == "all":
            is_all_on = is_all_on and not _says_no(value)
        elif name == "wootric" or "inmoment" in name:
            if _says_no(value):
                return "no"
            is_wootric_on = is_wootric_on or _says_yes(value)
    if is_wootric_on:
        return "yes"
    return None if is_all_on else "no"


def _agrees_to(category: str, preferences: Mapping[str, Any]) -> bool:
    """Tell whether `preferences` hold a category in any case, and agree to it wherever they do."""
    wanted = category.strip().casefold()
    found = [value for key, value in preferences.items() if key.strip().casefold() == wanted]
    return bool(found) and all(map(_says_yes, found))


def _says_no(value: object) -> bool:
    """Tell whether a value turns a destination or category off (segment.md 3)."""
    if not isinstance(value, dict) and _is_no(value):
        return True
    options = as_object(value)
    return options is not None and any(
        (spelling(key) == "enabled" and _is_no(each))
        or (spelling(key) == "disabled" and _is_yes(each))
        for key, each in options.items()
    )


def _says_yes(value: object) -> bool:
    """Tell whether a value turns a destination or category on: true in any spelling, or options."""
    return not _says_no(value) and (_is_yes(value) or as_object(value) is not None)


def _is_no(value: object) -> bool:
    if isinstance(value, str):
        return spelling(value) in _NO
    return value is None or value is False or (isinstance(value, int | float) and value == 0)


def _is_yes(value: object) -> bool:
    if isinstance(value, str):
        return spelling(value) in _YES
    return isinstance(value, int | float) and value != 0
