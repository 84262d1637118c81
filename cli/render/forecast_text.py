"""How long a push takes, in words."""

from collections.abc import Iterable, Iterator, Mapping
from math import isinf
from typing import Final

from cli.render.text import plural
from wootric_map.deliver.call_range import KINDS, CallRange, Kind
from wootric_map.deliver.csv_end_users import csv_files
from wootric_map.deliver.forecast import ForecastRange, Speed
from wootric_map.deliver.push_observer import ForetoldCalls
from wootric_map.deliver.ways import Way
from wootric_map.values.durations import duration

_NAMES: Final[Mapping[Kind, str]] = {
    "look_up": "look-up",
    "create": "end user to create",
    "update": "end user to update",
    "eligibility_check": "eligibility check",
    "page_view": "page view",
    "survey_list": "list of survey responses or declines",
    "response": "survey response",
    "decline": "survey decline",
    "surveys_off": "survey opt-out",
}
_PLURALS: Final[Mapping[Kind, str]] = {
    "survey_list": "lists of survey responses or declines",
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


def takes(forecast: ForecastRange) -> str:
    """Return how long a push takes, as a sentence without its end."""
    verb = "goes" if isinf(forecast.most.per_minute) else "takes"
    return f"A push {verb} {how_long(forecast)}"


def each_kind(calls: CallRange, forecast: ForecastRange) -> Iterator[str]:
    """Yield a line for each kind of call: how many, and how long they take alone."""
    for kind in KINDS:
        least, most = calls.least_by_kind.get(kind, 0), calls.most_by_kind.get(kind, 0)
        if most:
            counted = plural(most, _NAMES[kind], _PLURALS.get(kind))
            seconds = forecast.most.by_kind.get(kind, 0.0)
            lasts = duration(seconds) if seconds else "as fast as Wootric answers"
            yield f"  {'' if least == most else 'at most '}{counted}: {lasts}"


def each_way(
    ways: Iterable[Way], end_users_in_csv: int, speed: Speed, *, to_nobody: bool
) -> Iterator[str]:
    """Yield a line for each way of pushing, and one for a CSV: how many calls, and how long they take.

    Args:
        ways: what each way costs.
        end_users_in_csv: how many end users a CSV would hold.
        speed: how fast calls may go.
        to_nobody: whether the account is taken to hold nobody.
    """
    held = " for an account that holds nobody" if to_nobody else ""
    yield f"What each way costs{held}, besides signing in:"
    for way in ways:
        shortest, longest = way.seconds(speed)
        if way.most is None or longest is None:
            counted, lasts = f"at least {plural(way.least, 'call')}", duration(shortest)
        else:
            counted = plural(way.most, "call")
            if way.least < way.most:
                counted = f"{way.least:,} to {counted}"
            # Without a limit, nothing but Wootric's replies holds calls back.
            lasts = duration_range(shortest, longest) if longest else "as fast as Wootric answers"
        yield f"  {way.name.replace('_', ' ')}: {counted}, {lasts}"
    if end_users_in_csv:
        files = plural(csv_files(end_users_in_csv), "file")
        yield f"  CSV: {files} with {plural(end_users_in_csv, 'end user')}; no events"


def as_data(calls: CallRange, forecast: ForecastRange) -> dict[str, object]:
    """Return the calls and seconds of each kind, and of all together, as data for JSON; at most, if a range.

    The least of all together is there, too.
    """
    most = forecast.most
    return {
        "least": calls.least,
        "most": calls.most,
        "least_seconds": round(forecast.least, 1),
        "seconds": round(most.seconds, 1),
        "calls_a_minute": None if isinf(most.per_minute) else most.per_minute,
        "kinds": {
            kind: {"calls": count, "seconds": round(most.by_kind.get(kind, 0.0), 1)}
            for kind in KINDS
            if (count := calls.most_by_kind.get(kind))
        },
    }


def ways_as_data(ways: Iterable[Way], end_users_in_csv: int, speed: Speed) -> dict[str, object]:
    """Return what each way of pushing costs as data for JSON; null where nothing tells the most."""
    told: dict[str, object] = {}
    for way in ways:
        shortest, longest = way.seconds(speed)
        told[way.name] = {
            "least": way.least,
            "most": way.most,
            "least_seconds": round(shortest, 1),
            "seconds": None if longest is None else round(longest, 1),
        }
    files = csv_files(end_users_in_csv)
    return told | {"csv": {"files": files, "end_users": end_users_in_csv}}
