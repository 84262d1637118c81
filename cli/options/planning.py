"""Options about what is replayed, and what it is compared with."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from cli.options.reading import with_files_for
from cli.options.types import Count, LocalPath, Moment, together
from wootric_map.mapping import filters

F = TypeVar("F", bound=Callable[..., Any])


_NO_FOLD: Final = click.option(
    "--no-fold",
    is_flag=True,
    help="Replay record by record in time order, not each end user's identifies as one.",
)

_EVENT: Final = click.option(
    "--event",
    "events",
    multiple=True,
    metavar="NAME",
    help="Of the track records, replay this event alone; * stands for anything; may be given "
    "several times.",
)

_FILL_MISSING: Final = click.option(
    "--fill-missing",
    is_flag=True,
    help="Of an end user who is there, send only what Wootric holds nothing of: null, an empty text "
    "or no such property. No value that is there is changed.",
)

_CREATE_ONLY: Final = click.option(
    "--create-only",
    is_flag=True,
    help="Create end users, and leave those who are there as they are. Events of theirs are sent.",
)

_USERS: Final = together(
    click.option(
        "--limit",
        type=Count(),
        metavar="N",
        help="Replay so many records at most: the first in time order.",
    ),
    click.option(
        "--user",
        "users",
        multiple=True,
        metavar="ID_OR_EMAIL",
        help="Replay this end user alone; may be given several times.",
    ),
)

_RECORDS: Final = together(
    click.option(
        "--type",
        "types",
        multiple=True,
        type=click.Choice(["identify", "track", "page", "group"]),
        help="Replay records of this type alone; may be given several times. group takes --group-traits.",
    ),
    click.option(
        "--until",
        type=Moment(filters.until),
        help="Replay records before this time, or before so long ago; a day is taken whole.",
    ),
    click.option(
        "--since",
        type=Moment(filters.since),
        help="Replay records from this date or time on, or from so long ago, such as 7d, 12h or 2w. "
        "Earlier identifies still tell who is who.",
    ),
    click.option(
        "--link-anonymous",
        is_flag=True,
        help="Take an anonymousId for the one user that it was ever seen with.",
    ),
)

planning_options = together(_FILL_MISSING, _CREATE_ONLY, _USERS, _EVENT, _RECORDS, _NO_FOLD)
"""What is replayed, and how records become a plan."""

end_user_planning_options = together(_CREATE_ONLY, _USERS, _RECORDS)
"""What is replayed where a plan has one row an end user, and no events."""


last_surveyed_option = click.option(
    "--set-last-surveyed",
    "last_surveyed",
    type=Moment(filters.since),
    metavar="TIME",
    help="Have whoever is created count as last surveyed at this date or time, now, or so long ago, such as "
    "7d, so that Wootric does not survey all of them at once. Whoever is there already keeps theirs.",
)
"""The option that keeps Wootric from surveying all who are created at once."""


def against_option(
    default: str | None = None, *, unless: str = "--registered-event or --sandbox"
) -> Callable[[F], F]:
    """Return the option that names what a plan is compared with.

    Args:
        default: the default; None if it depends on other options.
        unless: the options beside which, without a default, the account is not asked.
    """
    otherwise = (
        ""
        if default
        else f"  [default: auto where credentials are given, but not with {unless}; else nothing]"
    )
    return click.option(
        "--against",
        metavar="auto|account|nothing|FILE",
        default=default,
        show_default=default is not None,
        help="What to compare with: the account, with the fewest calls that can be known (auto) or a look-up "
        f"for each end user (account); an account that holds nothing; or a snapshot.{otherwise}",
    )


workers_option = click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=8,
    show_default=True,
    callback=with_files_for("workers"),
    help="End users under way at once.",
)
"""The option for the number of end users under way at once."""


unidentified_option = click.option(
    "--unidentified",
    type=LocalPath(),
    metavar="FILE",
    help="Keep the records that name nobody here, as rejects are kept, to push that file once it is "
    "known who they are; written only if there are any, and the run comes to its end.",
)
"""The option that names the file for unidentified records."""
