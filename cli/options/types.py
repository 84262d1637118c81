"""The types of options: the form of their values, and the results."""

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from wootric_map.mapping import filters
from wootric_map.read.files import LOOP, is_loop, is_remote
from wootric_map.values.durations import is_like_one, seconds_in
from wootric_map.wootric.regions import bare

NO_TEXT: Final = "holds bytes that are no UTF-8 text; copy it once more, as UTF-8"

_SLOWEST, _FASTEST = 0.01, 1e9

_DAY: Final = 86_400.0

_NOW: Final = f"{__name__}.now"
"""The key under which a context keeps the unix time of the run's beginning."""

_RATE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(?:/min)?")
_PERCENT: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)%|(0|[1-9][0-9]*(?:\.[0-9]+)?)")
"""A number below 1 must have the percent sign, since 0.2 most likely means 20%."""


class Moment(click.ParamType[int]):
    """A date or a time, in any form of segment.md 5, `now`, or how long ago; gives milliseconds since the
    epoch."""

    name = "DATE|AGO"

    def __init__(
        self, read: Callable[[str], int | None], clock: Callable[[], float] = time.time
    ) -> None:
        """Make a type of option.

        Args:
            read: reads a date or time.
            clock: returns the unix time; called once a run, for all options together.
        """
        self._read = read
        self._clock = clock

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a date, a time, or a length of time before now."""
        if isinstance(value, int):
            return value
        text = str(value).strip()
        moment = filters.ago("0s" if text.lower() == "now" else text, self._now(ctx))
        if moment is None and not is_like_one(text):
            moment = self._read(text)
        if moment is None:
            self.fail(
                "write a date or time, such as 2024-03-01 or 2024-03-01T08:00:00Z, or how long ago, such "
                "as 7d or 12h",
                param,
                ctx,
            )
        return moment

    def _now(self, ctx: click.Context | None) -> float:
        """Return the unix time of the run's beginning, the same for all options."""
        held = ctx.meta if ctx else {}
        if _NOW not in held:
            held[_NOW] = self._clock()
        now: float = held[_NOW]
        return now


class Rate(click.ParamType[float]):
    """Calls a minute: `100` or `100/min`."""

    name = "N/min"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read a rate above 0."""
        if isinstance(value, float):
            return value
        matched = _RATE.fullmatch(str(value).strip())
        rate = float(matched[1]) if matched else 0.0
        if not _SLOWEST <= rate <= _FASTEST:
            self.fail("write calls a minute, such as 100 or 100/min", param, ctx)
        return rate


class Seconds(click.ParamType[float]):
    """A length of time in seconds, a day at most; 0 only if `or_none` is set."""

    name = "SECONDS"

    def __init__(self, *, or_none: bool = False) -> None:
        self._or_none = or_none

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read a number of seconds."""
        try:
            seconds = float(value)
        except ValueError:
            seconds = -1.0
        if not (0 < seconds <= _DAY or (seconds == 0 and self._or_none)):
            least = "0 or more" if self._or_none else "more than 0"
            self.fail(f"write a number of seconds: {least}, and a day (86400) at most", param, ctx)
        return seconds


class Age(click.ParamType[float]):
    """A length of time, such as `90s`, `10m`, `2h` or `1d`; a number alone is seconds. Gives seconds."""

    name = "TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read a length of time."""
        if isinstance(value, float):
            return value
        text = str(value).strip()
        seconds = seconds_in(f"{text}s" if text[-1:].isdigit() else text)
        if seconds is None:
            self.fail("write a length of time, such as 90s, 10m, 2h or 1d", param, ctx)
        return seconds


class Share(click.ParamType[float]):
    """A percentage below 100, `20%` or `20`; gives a number below 1."""

    name = "PERCENT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read a percentage."""
        if isinstance(value, float):
            return value
        matched = _PERCENT.fullmatch(str(value).strip())
        share = float(matched[1] or matched[2]) / 100 if matched else 1.0
        if share >= 1:
            self.fail("write a share below 100%, such as 20%", param, ctx)
        return share


class LocalPath(click.Path):
    """A file's place on this machine; gives a `Path`."""

    def __init__(self, *, dir_okay: bool = True) -> None:
        super().__init__(dir_okay=dir_okay, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a path; refuse addresses on other machines, and links in a circle."""
        if isinstance(value, str) and is_remote(value):
            self.fail(f"{value}: this takes a file on this machine, no address", param, ctx)
        if is_loop(value):
            self.fail(f"{value}: {LOOP}; name another place, or delete it", param, ctx)
        return super().convert(value, param, ctx)


class Count(click.IntRange):
    """A count of 0 or more; the help does not show the greatest."""

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a number."""
        count = super().convert(value, param, ctx)
        if count > sys.maxsize:
            self.fail(f"{count} is more than there can be", param, ctx)
        return count


class Text(click.ParamType[str]):
    """Text as given; bytes that are not UTF-8 are refused, and not shown."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text unchanged."""
        if not is_text(str(value)):
            # The text may have come from the option or the variable.
            variable = f", or {param.envvar}," if param and param.envvar else ""
            self.fail(f"it{variable} {NO_TEXT}", param, ctx)
        return str(value)


class Bare(Text):
    """Text without blanks, line ends and byte-order marks around it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text without what surrounds it."""
        return bare(super().convert(value, param, ctx))


def is_text(value: str) -> bool:
    """Return whether a value of the environment or command line is UTF-8 text."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


F = TypeVar("F", bound=Callable[..., Any])


def together(*options: Callable[[Any], Any]) -> Callable[[F], F]:
    """Return a decorator that adds several options to a command, the last of them shown first."""

    def add(command: F) -> F:
        decorated: Any = command
        for option in options:
            decorated = option(decorated)
        result: F = decorated
        return result

    return add
