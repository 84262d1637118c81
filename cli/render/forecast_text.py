"""How long a push takes, in words."""

from collections.abc import Iterator, Mapping
from math import isinf
from typing import Final

from cli.render.text import plural
from wootric_map.deliver.forecast import KINDS, Forecast, Kind
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


def promise(calls: Mapping[str, int], forecast: Forecast, *, at_most: bool) -> str:
    """Return a line about the calls of a push, how long they take, and what decides that.

    Args:
        calls: the number of calls of each kind.
        forecast: how long they take.
        at_most: whether fewer calls may be enough.
    """
    look_ups = calls.get("look_up", 0)
    writes = sum(calls.values()) - look_ups
    counted = plural(writes, "API call")
    if look_ups:
        counted += f" and {plural(look_ups, 'look-up')}"
    if not look_ups and not writes:
        return f"{counted} to make."
    if at_most:
        counted = f"At most {counted}"
    return f"{counted} to make: {how_long(forecast)}."


def how_long(forecast: Forecast) -> str:
    """Return how long calls take, and what decides that."""
    if isinf(forecast.per_minute):
        return "as fast as Wootric answers, which sets no limit"
    lasts = duration(forecast.seconds)
    if forecast.slowest is None:
        return f"{lasts} at --rate {forecast.per_minute:g}/min"
    pace = f"{forecast.per_minute:,.0f} a minute for each kind of call"
    if forecast.reserve:
        limit = "Wootric's usual limit" if forecast.is_assumed else "Wootric's limit"
        return f"{lasts} at {pace}, {limit} less --reserve {forecast.reserve * 100:g}%"
    if forecast.is_assumed:
        return f"{lasts} at {pace}, Wootric's usual limit"
    return f"{lasts} at Wootric's limit of {pace}"


def takes(forecast: Forecast) -> str:
    """Return how long a push takes, as a sentence without its end."""
    verb = "goes" if isinf(forecast.per_minute) else "takes"
    return f"A push {verb} {how_long(forecast)}"


def each_kind(calls: Mapping[str, int], forecast: Forecast) -> Iterator[str]:
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


def as_data(calls: Mapping[str, int], forecast: Forecast) -> dict[str, object]:
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
