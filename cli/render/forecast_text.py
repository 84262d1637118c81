"""How long a push takes, in words."""

from collections.abc import Iterator, Mapping
from math import isinf
from typing import Final

from cli.render.text import plural
from wootric_map.deliver.call_range import KINDS, CallRange, Kind
from wootric_map.deliver.forecast import Forecast, ForecastRange
from wootric_map.deliver.push_observer import ForetoldCalls
from wootric_map.values.durations import duration

_NAMES: Final[Mapping[Kind, str]] = {
    "look_up": "look-up",
    "create": "end user to create",
    "update": "end user to update",
    "eligibility_check": "eligibility check",
    "page_view": "page view",
}
_PLURALS: Final[Mapping[Kind, str]] = {
    "create": "end users to create",
    "update": "end users to update",
}


def promise(foretold: ForetoldCalls, forecast: ForecastRange) -> str:
    """Return a line about the calls of a push, how long they take, and what decides that.

    Args:
        foretold: how many calls are to come, and were made before.
        forecast: how long those to come take.
    """
    calls, before = foretold.calls, foretold.made_before
    counted = f"{range_of(calls, between=True)} to make"
    if before:
        made_for = "to sign in" if before == 1 else "to sign in and to know the account"
        counted = f"After {plural(before, 'call')} {made_for}, {counted[0].lower()}{counted[1:]}"
    return f"{counted}: {how_long(forecast)}." if calls.most else f"{counted}."


def range_of(calls: CallRange, *, between: bool = False) -> str:
    """Return how many calls there are, such as `9 API calls`; `between` has a range begin with that word."""
    if calls.is_exact:
        return plural(calls.most, "API call")
    if between:
        return f"Between {calls.least:,} and {plural(calls.most, 'API call')}"
    return f"{calls.least:,} to {plural(calls.most, 'API call')}"


def how_long(forecast: ForecastRange) -> str:
    """Return how long calls take, and what decides that."""
    most = forecast.most
    if isinf(most.per_minute):
        return "as fast as Wootric answers, which sets no limit"
    lasts = duration_range(forecast.least, most.seconds)
    if most.slowest is None:
        return f"{lasts} at --rate {most.per_minute:g}/min"
    pace = f"{most.per_minute:,.0f} a minute for each kind of call"
    if most.reserve:
        limit = "Wootric's usual limit" if most.is_assumed else "Wootric's limit"
        return f"{lasts} at {pace}, {limit} less --reserve {most.reserve * 100:g}%"
    if most.is_assumed:
        return f"{lasts} at {pace}, Wootric's usual limit"
    return f"{lasts} at Wootric's limit of {pace}"


def duration_range(least: float, most: float) -> str:
    """Return a range of seconds in words, such as `1 to 4 min`."""
    shortest, longest = duration(least), duration(most)
    if shortest == longest:
        return longest
    count, _, unit = shortest.partition(" ")
    same_unit = longest.partition(" ")[2] == unit
    return f"{count if same_unit else shortest} to {longest}"


def takes(forecast: Forecast) -> str:
    """Return how long a push takes, as a sentence without its end."""
    verb = "goes" if isinf(forecast.per_minute) else "takes"
    return f"A push {verb} {how_long(ForecastRange(forecast.seconds, forecast))}"


def each_kind(calls: Mapping[Kind, int], forecast: Forecast) -> Iterator[str]:
    """Yield a line for each kind of call: how many, and how long they take alone."""
    for kind in KINDS:
        count = calls.get(kind, 0)
        if count:
            name = _NAMES[kind]
            counted = plural(count, name, _PLURALS.get(kind))
            most = "at most " if kind == "look_up" else ""
            seconds = forecast.by_kind.get(kind, 0.0)
            lasts = duration(seconds) if seconds else "as fast as Wootric answers"
            yield f"  {most}{counted}: {lasts}"


def as_data(calls: Mapping[Kind, int], forecast: Forecast) -> dict[str, object]:
    """Return the calls and seconds of each kind, and the seconds of all together, as data for JSON."""
    return {
        "seconds": round(forecast.seconds, 1),
        "calls_a_minute": None if isinf(forecast.per_minute) else forecast.per_minute,
        "kinds": {
            kind: {"calls": calls[kind], "seconds": round(forecast.by_kind.get(kind, 0.0), 1)}
            for kind in KINDS
            if calls.get(kind)
        },
    }
