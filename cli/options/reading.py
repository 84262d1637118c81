"""Options about what is read, and how."""

import os
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from cli import open_files
from cli.options.types import Age, LocalPath, together
from wootric_map.model import WARNINGS
from wootric_map.read.lines import MAX_LINE_BYTES

F = TypeVar("F", bound=Callable[..., Any])

_MOST_PROCESSES: Final = 8


def _renamed(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """Return new names by old ones.

    Raises:
        click.BadParameter: a name is missing, or one trait gets two.
    """
    found: dict[str, str] = {}
    for each in given:
        old, separator, new = each.rpartition("=")
        if not (separator and old.strip() and new.strip()):
            raise click.BadParameter(f"{each} is no OLD=NEW, such as plan=tier")
        if found.setdefault(old, new) != new:
            raise click.BadParameter(f"{old} is renamed to two names: {found[old]} and {new}")
    return found


_ONE_OF_ALL: Final = ("count", "first", "last")
_OF_PROPERTY: Final = ("sum", "min", "max", "latest")
"""What the history of an event can give: one value of all events, or one of each property of theirs."""


def _rolled_up(
    _: click.Context, __: click.Parameter, given: tuple[str, ...]
) -> dict[str, dict[str, Any]]:
    """Return by event the parts of roll-ups: the name of each value, or its names by properties.

    Raises:
        click.BadParameter: one is no part, or one part has two names.
    """
    found: dict[str, dict[str, Any]] = {}
    for each in given:
        place, _equals, name = each.rpartition("=")
        event, _colon, told = place.rpartition(":")
        what, dot, key = told.partition(".")
        fits = what in _OF_PROPERTY and key if dot else what in _ONE_OF_ALL
        if not (event.strip() and fits and name.strip()):
            raise click.BadParameter(
                f"{each} is no EVENT:WHAT=NAME, such as 'Order Completed:count=orders_amount' or 'Order "
                "Completed:sum.revenue=revenue_amount'; WHAT is count, first or last, or sum, min, max or "
                "latest with a dot and a property behind it"
            )
        parts = found.setdefault(event, {})
        named, key = (parts.setdefault(what, {}), key) if dot else (parts, what)
        if named.setdefault(key, name) != name:
            raise click.BadParameter(f"{place} has two names: {named[key]} and {name}")
    return found


def _prefix(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    """Return the prefix for the traits of groups.

    Raises:
        click.BadParameter: no property's name can begin with it.
    """
    if given is not None:
        from wootric_map.errors import SettingsError
        from wootric_map.mapping.derived_rules import check_prefix

        try:
            check_prefix(given)
        except SettingsError as error:
            raise click.BadParameter(str(error)) from error
    return given


reading_options = together(
    click.option(
        "--decline-event",
        metavar="NAME",
        help="The track records of this name say that a survey was declined, and are sent as declines.",
    ),
    click.option(
        "--response-text",
        metavar="PLACE",
        help="Where the text of a --response-event stands, such as properties.comment.",
    ),
    click.option(
        "--response-score",
        metavar="PLACE",
        help="Where the score of a --response-event stands.  [default: properties.score]",
    ),
    click.option(
        "--response-event",
        metavar="NAME",
        help="The track records of this name are survey responses, and are sent as such; * stands for "
        "anything. Those that RudderStack marks as responses or declines always are.",
    ),
    click.option(
        "--suppress",
        multiple=True,
        type=LocalPath(),
        metavar="FILE",
        help="Send nothing of the people on this list, by whatever id of theirs a record came: ids, emails, "
        "phones or their SHA-256, one a line, or CSV with a header; may be given several times.",
    ),
    click.option(
        "--group-traits",
        "group_prefix",
        metavar="PREFIX",
        callback=_prefix,
        help="Take group records: the traits of the latest group that a user was in become properties of "
        "theirs, such as company_name with the prefix company.",
    ),
    click.option(
        "--rollup",
        "rollups",
        multiple=True,
        metavar="EVENT:WHAT=NAME",
        callback=_rolled_up,
        help="Make a property of the history of an event: count, first, last, or sum.PROPERTY, min.PROPERTY, "
        "max.PROPERTY, latest.PROPERTY, as in 'Order Completed:count=orders'; may be given several "
        "times.",
    ),
    click.option(
        "--rename-trait",
        "renamed_traits",
        multiple=True,
        metavar="OLD=NEW",
        callback=_renamed,
        help="Send this trait under another name; may be given several times.",
    ),
    click.option(
        "--include-trait",
        "included_traits",
        multiple=True,
        metavar="NAME",
        help="Send this trait though its name is that of a secret, such as token or ssn; may be given "
        "several times.",
    ),
    click.option(
        "--only-trait",
        "only_traits",
        multiple=True,
        metavar="NAME",
        help="Of the traits send this one alone, beside email, phone and creation date; * stands for "
        "anything; may be given several times.",
    ),
    click.option(
        "--exclude-trait",
        "excluded_traits",
        multiple=True,
        metavar="NAME",
        help="Leave this trait out, and properties of events of this name; address.city is one within an "
        "object, * stands for anything; may be given several times.",
    ),
    click.option("--typed-names", is_flag=True, help="Both --amount-suffix and --array-suffix."),
    click.option(
        "--array-suffix",
        is_flag=True,
        help="Send list properties under a name ending in _array, as Wootric expects them.",
    ),
    click.option(
        "--amount-suffix",
        is_flag=True,
        help="Send number properties under a name ending in _amount, as Wootric expects them, "
        "rounded to integers where need be.",
    ),
    click.option(
        "--consent-category",
        "consent_categories",
        multiple=True,
        metavar="NAME",
        help="A category of consent that Wootric needs: skip records whose user was asked and did not "
        "agree to it; may be given several times.",
    ),
    click.option(
        "--traits-from",
        type=click.Choice(["auto", "traits", "context"]),
        default="auto",
        show_default=True,
        help="Where an identify's traits stand; context is context.traits, as in RudderStack's "
        "archives, and auto takes those where it has no traits of its own.",
    ),
    click.option(
        "--ignore-integrations",
        is_flag=True,
        help="Take records even if their integrations turn Wootric off; not if their user withholds "
        "consent.",
    ),
    click.option(
        "--min-age",
        type=Age(),
        default="0",
        show_default=True,
        help="Leave files for the next run that were changed less than this ago, such as 10m: they may "
        "still be written to.",
    ),
    click.option(
        "--max-line-bytes",
        type=click.IntRange(min=1),
        default=MAX_LINE_BYTES,
        show_default=True,
        help="The longest line taken; longer ones are rejected.",
    ),
)
"""How records are read."""


surveys_disabled_option = click.option(
    "--surveys-disabled",
    metavar="PLACE",
    help="The trait of whoever wants no surveys, such as traits.unsubscribed; dots lead into objects. Where "
    "it is true, surveys are turned off for that end user, once; they are never turned on again.",
)
"""The option that names the trait of whoever wants no surveys."""


external_id_option = click.option(
    "--external-id",
    metavar="PLACE",
    help="The trait that is the external id in Wootric in place of the userId, such as traits.accountId; "
    "dots lead into objects. Who is whom is decided without it; whoever has none is sent no external id.",
)
"""The option that names the trait of the external id."""


ignore_warning_option = click.option(
    "--ignore-warning",
    "ignored_warnings",
    type=click.Choice(WARNINGS),
    multiple=True,
    metavar="CODE",
    help="Show no warnings of this code, only how many are ignored in all; may be given several times.",
)
"""The option for warnings that are not shown."""


def paths_argument(*, required: bool = True) -> Callable[[F], F]:
    """Return the argument PATHS."""
    return click.argument("paths", nargs=-1, required=required, metavar="PATHS...")


def _processes_at_once() -> int:
    """Return the default number of processes: very many would take more memory than they are worth."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), _MOST_PROCESSES)
    return min(os.cpu_count() or 1, _MOST_PROCESSES)


def with_files_for(what: str) -> Callable[[click.Context, click.Parameter, int], int]:
    """Return a callback that refuses more workers or processes than can have their files open."""

    def check(_: click.Context, __: click.Parameter, count: int) -> int:
        open_files.check(**{"workers": 0, "processes": 0, what: count})
        return count

    return check


processes_option = click.option(
    "--processes",
    type=click.IntRange(1, 256),
    default=_processes_at_once,
    show_default=f"as many as the machine runs at once, {_MOST_PROCESSES} at most",
    metavar="N",
    callback=with_files_for("processes"),
    help="Processes that read a large export side by side.",
)
"""The option for the number of processes."""
