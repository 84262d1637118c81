"""Options about how fast calls go, and how long faults are tolerated."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from cli.options.types import Rate, Seconds, Share, together
from wootric_map.wootric import retry

F = TypeVar("F", bound=Callable[..., Any])


def _seconds_option(name: str, default: float, what: str) -> Callable[[F], F]:
    return click.option(name, type=Seconds(), default=f"{default:g}", show_default=True, help=what)


connection_options = together(
    click.option(
        "--verbose",
        "-v",
        is_flag=True,
        help="Show each call on standard error, without personal data.",
    ),
    _seconds_option(
        "--give-up-after",
        retry.GIVE_UP_AFTER,
        "Seconds that Wootric may be down before the run ends; what is undone is left for the next.",
    ),
    _seconds_option(
        "--deadline",
        retry.DEADLINE,
        "Seconds for all tries of a call together; its wait for Wootric's limit is no part of them.",
    ),
    _seconds_option(
        "--read-timeout",
        retry.READ_TIMEOUT,
        "Seconds of silence to bear once a call is sent.",
    ),
    _seconds_option(
        "--connect-timeout", retry.CONNECT_TIMEOUT, "Seconds to wait for a connection."
    ),
    click.option(
        "--retries",
        type=click.IntRange(min=0),
        default=retry.RETRIES,
        show_default=True,
        help="How often a call is tried again after a fault that may pass.",
    ),
)
"""How long faults are tolerated, and whether calls are shown."""


def pace_options(
    rate: str = "Calls a minute at most; else as many as Wootric's replies allow.",
) -> Callable[[F], F]:
    """Return the options about how fast calls go; `rate` is the help of `--rate`."""
    return together(
        click.option(
            "--reserve",
            type=Share(),
            default=0.0,
            help="The share of each of Wootric's limits to leave to live traffic, such as 20%.",
        ),
        click.option("--rate", type=Rate(), help=rate),
    )
