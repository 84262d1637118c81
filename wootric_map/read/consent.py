"""Who said no: whether a record's `integrations` and its user's consent let Wootric have it (segment.md 3).

An opt-out wins over any opt-in, and counts in any spelling.
"""

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, Final, Literal, TypeAlias

from wootric_map.model import MappingWarning, Skip
from wootric_map.read.json_lines import as_object
from wootric_map.values.trait_names import spelling

Word: TypeAlias = Literal["no", "yes"] | None
"""What a dictionary of destinations says of Wootric; None where it says nothing."""

_NO: Final = frozenset(
    {
        "", "0", "false", "no", "off", "n", "f", "null", "none", "nil", "undefined", "never",
        "disable", "disabled", "deny", "denied", "decline", "declined", "refuse", "refused",
        "reject", "rejected", "optout", "optedout", "revoke", "revoked", "withheld", "withdrawn",
        "block", "blocked",
    }
)  # fmt: skip
"""Texts that refuse, as `spelling` gives them."""
_YES: Final = frozenset(
    {
        "1", "true", "yes", "on", "y", "t", "enable", "enabled", "allow", "allowed", "grant",
        "granted", "accept", "accepted", "optin", "optedin",
    }
)  # fmt: skip
"""Texts that agree."""
_ABSENT: Final = (None, "")
"""What in place of a whole dictionary says nothing."""


def refusing(data: Mapping[str, Any], integrations: Mapping[str, Any], context: Any) -> str | None:
    """The place in a record that keeps it from Wootric; None where none does.

    Args:
        data: the record.
        integrations: its `integrations`.
        context: its `context`.
    """
    if integrations and _word(integrations) == "no":
        return "integrations"
    options, inner, old = data.get("options"), context.get("integrations"), data.get("providers")
    if options is inner is old is None:
        return None
    options = as_object(options) or {}
    for place, names in (
        ("options.integrations", options.get("integrations")),
        ("context.integrations", inner),
        ("providers", old),
    ):
        if _word(names) == "no":
            return place
    return None


def withholding(context: Mapping[str, Any], categories: Collection[str]) -> str | None:
    """The place in a record's context where its user withholds consent; None where none does.

    Args:
        context: the record's `context`.
        categories: those that its user must have agreed to, if they were asked for any.
    """
    consent = context.get("consent")
    if consent is None:
        return None
    given = as_object(consent)
    if given is None:
        return "context.consent" if consent not in _ABSENT and _says_no(consent) else None
    word = _word(given.get("destinationPreferences"))
    if word == "no":
        return "context.consent.destinationPreferences"
    default = given.get("defaultDestinationBehavior")
    if word is None and default not in _ABSENT and _says_no(default):
        return "context.consent.defaultDestinationBehavior"
    preferences = as_object(given.get("categoryPreferences"))
    if preferences is None:
        return None
    refused = (
        not all(_agreed(preferences, name) for name in categories)
        if categories
        else bool(preferences) and all(map(_says_no, preferences.values()))
    )
    return "context.consent.categoryPreferences" if refused else None


def not_judged(context: Mapping[str, Any]) -> MappingWarning | None:
    """The warning of a record whose user refused some categories, where none was named to judge it by."""
    consent = context.get("consent")
    given = None if consent is None else as_object(consent)
    preferences = as_object(given.get("categoryPreferences")) if given else None
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
def withheld(kind: str, place: str) -> Skip:
    """The skip of a record that a place in it keeps from Wootric (segment.md 2 and 3)."""
    if place.startswith("context.consent"):
        message = "its user withholds consent for Wootric, so that nothing is sent"
        return Skip("consent_withheld", kind, place, message)
    message = f"its {place} turn Wootric off; --ignore-integrations sends it all the same"
    return Skip("integration_disabled", kind, place, message)


def turns_nothing_off(integrations: Mapping[str, Any]) -> bool:
    """Tell at a glance that `integrations` have no opt-out; any doubt is a no."""
    for value in integrations.values():
        if value is not True and not (
            type(value) is dict and not any("abled" in spelling(key) for key in value)
        ):
            return False
    return True


def _word(names: object) -> Word:
    """What a dictionary of destinations' names says of Wootric."""
    held = as_object(names)
    if held is None:
        return "no" if names not in _ABSENT and _says_no(names) else None
    everyone, named = True, False
    for key, value in held.items():
        name = spelling(key)
        if name == "all":
            everyone = everyone and not _says_no(value)
        elif name == "wootric" or "inmoment" in name:
            if _says_no(value):
                return "no"
            named = named or _says_yes(value)
    return "yes" if named else None if everyone else "no"


def _agreed(preferences: Mapping[str, Any], category: str) -> bool:
    """Whether the preferences hold a category, and every spelling of it in them agrees."""
    wanted = category.strip().casefold()
    found = [value for key, value in preferences.items() if key.strip().casefold() == wanted]
    return bool(found) and all(map(_says_yes, found))


def _says_no(value: object) -> bool:
    """Whether a value turns a destination or category off (segment.md 3)."""
    if not isinstance(value, dict) and _is_no(value):
        return True
    options = as_object(value)
    return options is not None and any(
        (spelling(key) == "enabled" and _is_no(each))
        or (spelling(key) == "disabled" and _is_yes(each))
        for key, each in options.items()
    )


def _says_yes(value: object) -> bool:
    """Whether a value turns a destination or category on: true in any spelling, or its options."""
    return not _says_no(value) and (_is_yes(value) or as_object(value) is not None)


def _is_no(value: object) -> bool:
    if isinstance(value, str):
        return spelling(value) in _NO
    return value is None or value is False or (isinstance(value, int | float) and value == 0)


def _is_yes(value: object) -> bool:
    if isinstance(value, str):
        return spelling(value) in _YES
    return isinstance(value, int | float) and value != 0
