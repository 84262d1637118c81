"""The options that commands share."""

import io
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click
from click.core import ParameterSource

from cli import open_files, redacting, secrets
from wootric_map.mapping import filters
from wootric_map.mapping.entries import ReadingOptions
from wootric_map.model import WARNINGS
from wootric_map.plan.plan import PlanOptions
from wootric_map.read.blocks import ByteStream
from wootric_map.read.files import (
    LOOP,
    STDIN,
    PassedOver,
    Source,
    discover,
    is_loop,
    is_remote,
)
from wootric_map.read.lines import MAX_LINE_BYTES
from wootric_map.values.durations import is_like_one, seconds_in
from wootric_map.wootric import retry
from wootric_map.wootric.regions import bare

if TYPE_CHECKING:
    from wootric_map.redaction import Redaction
    from wootric_map.wootric.client import Credentials

F = TypeVar("F", bound=Callable[..., Any])

REJECTS: Final = Path("rejects.ndjson")
"""Where `push` leaves what was rejected, unless told otherwise."""

NOTHING: Final = "nothing"
ACCOUNT: Final = "account"
"""What `--against` may be beside a file."""

_CLIENT: Final = ("WOOTRIC_CLIENT_ID", "WOOTRIC_CLIENT_SECRET")
_PERSON: Final = ("WOOTRIC_USERNAME", "WOOTRIC_PASSWORD")
"""The variables of either login: who it is, and the secret."""

_STANDS_FOR: Final = {
    "WOOTRIC_ACCOUNT_TOKEN": "account",
    "WOOTRIC_CLIENT_ID": "client id",
    "WOOTRIC_CLIENT_SECRET": "client secret",
    "WOOTRIC_USERNAME": "username",
    "WOOTRIC_PASSWORD": "password",
}

_FILES: Final = {
    "WOOTRIC_CLIENT_SECRET": "--client-secret-file",
    "WOOTRIC_PASSWORD": "--password-file",
}
"""What names a file that holds a secret."""

_LONGEST_SECRET: Final = 64 * 1024
_SLOWEST, _FASTEST = 0.01, 1e9

NO_TEXT: Final = "holds bytes that are no UTF-8 text; copy it once more, as UTF-8"

_DAY: Final = 86_400.0

_NOW: Final = f"{__name__}.now"
"""Under what a context keeps the unix time at which its run began."""

_MOST_PROCESSES: Final = 8

_RATE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(?:/min)?")
_PERCENT: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)%|(0|[1-9][0-9]*(?:\.[0-9]+)?)")
"""Whoever writes 0.2 most likely means 20%, so below 1 the sign must be there."""


class Moment(click.ParamType[int]):
    """A date or a time, in any form of segment.md 5, or how long ago; gives milliseconds since the epoch."""

    name = "DATE|AGO"

    def __init__(
        self, read: Callable[[str], int | None], clock: Callable[[], float] = time.time
    ) -> None:
        """Make a type of option.

        Args:
            read: reads a date or time.
            clock: gives the unix time; it is asked once a run, for all options together.
        """
        self._read = read
        self._clock = clock

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a date, a time, or a length of time before now."""
        if isinstance(value, int):
            return value
        text = str(value).strip()
        moment = filters.ago(text, self._now(ctx))
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
        """The unix time at which the run began: one for all options."""
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
        """Read a rate; more than none."""
        if isinstance(value, float):
            return value
        matched = _RATE.fullmatch(str(value).strip())
        rate = float(matched[1]) if matched else 0.0
        if not _SLOWEST <= rate <= _FASTEST:
            self.fail("write calls a minute, such as 100 or 100/min", param, ctx)
        return rate


class Seconds(click.ParamType[float]):
    """A length of time: a day at most, and more than none unless that may be, too."""

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
            seconds = 0.0
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
    """A part of a hundred: `20%` or `20`; gives it as a part of one, below one."""

    name = "PERCENT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read a share; less than all."""
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
        """Refuse the address of something elsewhere, which a path would show misspelled."""
        if isinstance(value, str) and is_remote(value):
            self.fail(f"{value}: this takes a file on this machine, no address", param, ctx)
        if is_loop(value):
            self.fail(f"{value}: {LOOP}; name another place, or delete it", param, ctx)
        return super().convert(value, param, ctx)


class Count(click.IntRange):
    """How many, none or more; the greatest number that Python counts to is not told in the help."""

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a number."""
        count = super().convert(value, param, ctx)
        if count > sys.maxsize:
            self.fail(f"{count} is more than there can be", param, ctx)
        return count


class Text(click.ParamType[str]):
    """Text as it is given; bytes that are no text are refused, and not shown."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take it as it is."""
        if not is_text(str(value)):
            # It may have come from either.
            variable = f", or {param.envvar}," if param and param.envvar else ""
            self.fail(f"it{variable} {NO_TEXT}", param, ctx)
        return str(value)


class Bare(Text):
    """Text without the blanks, line ends and byte-order marks that copying and files put around it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take them off."""
        return bare(super().convert(value, param, ctx))


def is_text(value: str) -> bool:
    """Return whether a value of the environment or command line is text; bytes that are none stay in it."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def reading_options(command: F) -> F:
    """How records are read."""
    for option in (
        click.option(
            "--typed-names", is_flag=True, help="Both --amount-suffix and --array-suffix."
        ),
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
    ):
        command = option(command)
    return command


def ignore_warning_option(command: F) -> F:
    """Which warnings are not shown."""
    return click.option(
        "--ignore-warning",
        "ignored_warnings",
        type=click.Choice(WARNINGS),
        multiple=True,
        metavar="CODE",
        help="Show no warnings of this code, only how many are ignored in all; may be given several times.",
    )(command)


def paths_argument(*, required: bool = True) -> Callable[[F], F]:
    """PATHS: what is read."""
    return click.argument("paths", nargs=-1, required=required, metavar="PATHS...")


def _processes_at_once() -> int:
    """How many processes this machine runs at once; of very many, only some are worth their memory."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), _MOST_PROCESSES)
    return min(os.cpu_count() or 1, _MOST_PROCESSES)


def _with_files_for(what: str) -> Callable[[click.Context, click.Parameter, int], int]:
    """Refuse more workers or processes than can have their files open."""

    def check(_: click.Context, __: click.Parameter, count: int) -> int:
        open_files.check(**{"workers": 0, "processes": 0, what: count})
        return count

    return check


def processes_option(command: F) -> F:
    """How many processes work side by side."""
    return click.option(
        "--processes",
        type=click.IntRange(1, 256),
        default=_processes_at_once,
        show_default=f"as many as the machine runs at once, {_MOST_PROCESSES} at most",
        metavar="N",
        callback=_with_files_for("processes"),
        help="Processes that read a large export side by side.",
    )(command)


def planning_options(command: F) -> F:
    """What is replayed, and how records become a plan."""
    for option in (
        click.option(
            "--fill-missing",
            is_flag=True,
            help="Of an end user who is there, send only what Wootric holds nothing of: null, an empty text "
            "or no such property. No value that is there is changed.",
        ),
        click.option(
            "--create-only",
            is_flag=True,
            help="Create end users, and leave those who are there as they are. Events of theirs are sent.",
        ),
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
        click.option(
            "--event",
            "events",
            multiple=True,
            metavar="NAME",
            help="Of the track records, replay this event alone; * stands for anything; may be given "
            "several times.",
        ),
        click.option(
            "--type",
            "types",
            multiple=True,
            type=click.Choice(["identify", "track", "page"]),
            help="Replay records of this type alone; may be given several times.",
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
        click.option(
            "--no-fold",
            is_flag=True,
            help="Replay record by record in time order, not each end user's identifies as one.",
        ),
    ):
        command = option(command)
    return command


def planning(
    given: Mapping[str, Any], *, keep_lines: bool = False, retry_rejects: bool = False
) -> PlanOptions:
    """The options of `planning_options`, together.

    Args:
        given: their values, and those of `reading_options`.
        keep_lines, retry_rejects: as in `PlanOptions`.

    Raises:
        click.UsageError: they choose nothing, or exclude each other.
    """
    if given["create_only"] and given["fill_missing"]:
        raise click.UsageError(
            "--create-only leaves end users who are there as they are, and --fill-missing adds to them: "
            "choose one"
        )
    since, until = given["since"], given["until"]
    if since is not None and until is not None and until <= since:
        raise click.UsageError("--until is before --since, so that nothing is replayed")
    if given["events"] and given["types"] and "track" not in given["types"]:
        raise click.UsageError(
            "--event chooses among the track records, and --type leaves all of them out: add --type track, "
            "or leave one of the two out"
        )
    if not all(name.strip() for name in given["users"]):
        raise click.UsageError("--user is empty; write a userId or an email")
    return PlanOptions(
        fold=not given["no_fold"],
        link_anonymous=given["link_anonymous"],
        amount_suffix=given["amount_suffix"] or given["typed_names"],
        array_suffix=given["array_suffix"] or given["typed_names"],
        choice=filters.Choice(
            since=given["since"],
            until=given["until"],
            types=frozenset(given["types"]),
            events=given["events"],
            users=frozenset(given["users"]),
            limit=given["limit"],
        ),
        keep_lines=keep_lines,
        retry_rejects=retry_rejects,
        existing="keep" if given["create_only"] else "fill" if given["fill_missing"] else "update",
    )


def journal_options(command: F) -> F:
    """How earlier runs count, and runs beside this one."""
    for option in (
        click.option(
            "--wait",
            type=Seconds(or_none=True),
            default="0",
            metavar="SECONDS",
            help="Wait so long for a run that is at work on the account; else exit with 6 at once.",
        ),
        click.option(
            "--in-doubt",
            type=click.Choice(["skip", "resend"]),
            default="skip",
            show_default=True,
            help="What becomes of eligibility checks and page views that were sent and got no answer: sent "
            "again, they may count twice.",
        ),
        click.option(
            "--again",
            is_flag=True,
            help="Send what the journal says is delivered once more. Values that a later identify has "
            "replaced stay as they are all the same; `journal forget` is the way to begin anew.",
        ),
        journal_option,
    ):
        command = option(command)
    return command


def journal_option(command: F) -> F:
    """Where the journal is."""
    return click.option(
        "--journal",
        type=LocalPath(),
        metavar="FILE",
        help="The journal of what was delivered.  [default: one an account, in your state folder]",
    )(command)


def format_option(what: str = "For people, or for programs.") -> Callable[[F], F]:
    """Whether what a command prints is text or JSON.

    Args:
        what: what that means to the command.
    """
    return click.option(
        "--format",
        "style",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help=what,
    )


def redact_option(command: F) -> F:
    """Whether personal data is hidden; the streams have seen to it by the time a command runs."""
    return click.option(
        redacting.OPTION,
        is_flag=True,
        expose_value=False,
        help="Show emails, phones and names as short keyed hashes, to share them. Plans, snapshots "
        "and rejects keep them, since another command is to read those.  [env: "
        f"{redacting.KEY}: a secret, for the same hashes in every run]",
    )(command)


def redaction() -> "Redaction | None":
    """What hides personal data in output that is no text; None where nothing is to be hidden."""
    held: Redaction | None = click.get_current_context().obj
    return held


def against_option(default: str) -> Callable[[F], F]:
    """What a plan is compared with: one of `NOTHING`, `ACCOUNT`, or a snapshot's path."""
    return click.option(
        "--against",
        metavar="nothing|account|FILE",
        default=default,
        show_default=True,
        help="What to compare with: an account that holds nothing, the account itself (a look-up for "
        "each end user), or a snapshot of it.",
    )


def patience_options(command: F) -> F:
    """How long faults are borne with, and whether calls are shown."""
    for option in (
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
    ):
        command = option(command)
    return command


def _seconds_option(name: str, default: float, what: str) -> Callable[[F], F]:
    return click.option(name, type=Seconds(), default=f"{default:g}", show_default=True, help=what)


def pace_options(
    rate: str = "Calls a minute at most; else as many as Wootric's replies allow.",
) -> Callable[[F], F]:
    """How fast calls go.

    Args:
        rate: what `--rate` means to the command.
    """

    def add(command: F) -> F:
        for option in (
            click.option(
                "--reserve",
                type=Share(),
                default=0.0,
                help="The share of each of Wootric's limits to leave to live traffic, such as 20%.",
            ),
            click.option("--rate", type=Rate(), help=rate),
        ):
            command = option(command)
        return command

    return add


def workers_option(command: F) -> F:
    """How many end users are under way at once."""
    return click.option(
        "--workers",
        type=click.IntRange(1, 256),
        default=8,
        show_default=True,
        callback=_with_files_for("workers"),
        help="End users under way at once.",
    )(command)


def account_options(command: F) -> F:
    """Which account it is, and where it stands."""
    for option in (
        click.option(
            "--base-url",
            type=Text(),
            envvar="WOOTRIC_BASE_URL",
            metavar="URL",
            help="One host for all of Wootric's services, in place of the region's.  [env: WOOTRIC_BASE_URL]",
        ),
        click.option(
            "--account-token",
            type=Bare(),
            envvar="WOOTRIC_ACCOUNT_TOKEN",
            metavar="NPS-…",
            help="The account; its region picks the addresses.  [env: WOOTRIC_ACCOUNT_TOKEN]",
        ),
    ):
        command = option(command)
    return command


def credential_options(command: F) -> F:
    """What to sign in with; secrets come from the environment, a file or a prompt."""
    for option in (
        click.option(
            "--password-file",
            metavar="FILE",
            help="The file that holds the password; - asks for it.  [env: WOOTRIC_PASSWORD]",
        ),
        click.option(
            "--username",
            type=Bare(),
            envvar="WOOTRIC_USERNAME",
            metavar="EMAIL",
            help="A person's login, in place of a client.  [env: WOOTRIC_USERNAME]",
        ),
        click.option(
            "--client-secret-file",
            metavar="FILE",
            help="The file that holds the secret; - asks for it.  [env: WOOTRIC_CLIENT_SECRET]",
        ),
        click.option(
            "--client-id",
            type=Bare(),
            envvar="WOOTRIC_CLIENT_ID",
            metavar="ID",
            help="The API client to sign in as.  [env: WOOTRIC_CLIENT_ID]",
        ),
    ):
        command = option(command)
    return command


def credentials(
    client_id: str | None,
    client_secret_file: str | None,
    username: str | None,
    password_file: str | None,
) -> "Credentials":
    """The credentials that the options and the environment give; `missing_credentials` finds none missing.

    Raises:
        click.UsageError: they are of two logins, or a secret can't be read.
    """
    from wootric_map.wootric.client import ClientCredentials, PasswordCredentials  # noqa: PLC0415 - slow

    as_client = _given("client_id", "client_secret_file")
    as_person = _given("username", "password_file")
    if as_client and as_person:
        raise click.UsageError("two logins: give a client id or a username, not both")
    # What stands on the command line is meant, whatever the environment holds.
    if client_id and not as_person:
        secret = _secret("client secret", _CLIENT[1], client_secret_file)
        return ClientCredentials(client_id, secret)
    return PasswordCredentials(
        cast("str", username), _secret("password", _PERSON[1], password_file)
    )


def missing_credentials(
    client_id: str | None,
    client_secret_file: str | None,
    username: str | None,
    password_file: str | None,
) -> list[str]:
    """Return the variables of the credentials that are wanting; none where there are all of a login."""
    as_client = _given("client_id", "client_secret_file")
    as_person = not as_client and (
        _given("username", "password_file")
        or bool(not client_id and (username or (_is_set(_PERSON[1]) and not _is_set(_CLIENT[1]))))
    )
    variables = _PERSON if as_person else _CLIENT
    owner = username if as_person else client_id
    file = password_file if as_person else client_secret_file
    held = file is not None or _is_set(variables[1]) or _is_asked_for(variables[1], file)
    return [name for name, has in zip(variables, (owner, held), strict=True) if not has]


def all_missing(variables: Sequence[str]) -> str:
    """Return what to say where these variables are not set, and no option stands for them."""
    told = [_STANDS_FOR[name] for name in variables]
    *names, last = variables
    text = f"{', '.join(names)} and {last}" if names else last
    if set(_CLIENT) <= set(variables):
        told[-len(_CLIENT) :] = ["credentials"]
        text += f" (or {_PERSON[0]} and {_PERSON[1]} in place of the last two)"
    elif last in _FILES:
        text += f" (or {_FILES[last]} FILE in place of the {'last' if names else 'variable'})"
    return f"no {' and no '.join(told)}: set {text}; to rehearse without an account, add --sandbox"


def _given(*names: str) -> bool:
    """Whether any of these options stands on the command line."""
    source = click.get_current_context().get_parameter_source
    return any(source(name) is ParameterSource.COMMANDLINE for name in names)


def _secret(what: str, variable: str, file: str | None) -> str:
    """A secret from a file, a prompt or the environment; never from the command line."""
    if file == "-" and not _has_keyboard():
        raise click.UsageError(f"the {what} can only be asked for at a terminal; name a file")
    if _is_asked_for(variable, file):
        secret = click.prompt(what.capitalize(), hide_input=True, err=True)
    elif file is not None:
        try:
            with Path(file).open(encoding="utf-8") as held:
                secret = held.read(_LONGEST_SECRET)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is no UTF-8 text; save it as UTF-8"
            raise click.UsageError(f"the {what} can't be read from {file}: {reason}") from error
    else:
        secret = secrets.given(variable) or ""
    secret = bare(str(secret))
    if not is_text(secret):
        origin = "it" if file or _is_asked_for(variable, file) else variable
        raise click.UsageError(f"the {what} can't be used: {origin} {NO_TEXT}")
    if "\0" in secret:
        # Among letters, as UTF-16 has them.
        raise click.UsageError(f"the {what} holds NUL characters; save it as UTF-8 text")
    if not secret:
        raise click.UsageError(f"no {what}: set {variable}, or name a file that holds it")
    return secret


def _is_asked_for(variable: str, file: str | None) -> bool:
    """Whether a secret is asked for at the terminal."""
    return _has_keyboard() and (file == "-" or (file is None and secrets.given(variable) is None))


def _is_set(variable: str) -> bool:
    return bool(bare(secrets.given(variable) or ""))


def _has_keyboard() -> bool:
    return _has_input() and sys.stdin.isatty()


def standard_input() -> ByteStream:
    """Standard input as bytes."""
    return cast("io.BufferedReader", sys.stdin.buffer) if _has_input() else io.BytesIO()


def _has_input() -> bool:
    return cast("object", sys.stdin) is not None  # it is None where it was closed


def sources(
    paths: tuple[str, ...],
    passed_over: PassedOver,
    min_age: float,
    *,
    leave_out: Sequence[Path | None] = (REJECTS,),
) -> list[Source]:
    """What the paths name; standard input must be there, and more than a keyboard.

    Args:
        paths: as given.
        passed_over: gets the files that are not read.
        min_age: seconds since a file that is read was changed last, at least.
        leave_out: the files that the run writes, which no folder's search brings in.
    """
    if STDIN in paths and not _has_input():
        raise click.UsageError("standard input is closed; pipe an export in: zcat *.gz | … -")
    if STDIN in paths and sys.stdin.isatty():
        raise click.UsageError("standard input is a keyboard; pipe an export in: zcat *.gz | … -")
    unchanged_since = time.time() - min_age if min_age else None
    return discover(
        paths,
        leave_out=filter(None, leave_out),
        passed_over=passed_over,
        unchanged_since=unchanged_since,
    )


def reading(given: Mapping[str, Any]) -> ReadingOptions:
    """The options of `reading_options`, together."""
    return ReadingOptions(
        max_line_bytes=given["max_line_bytes"],
        ignore_integrations=given["ignore_integrations"],
        amount_suffix=given["amount_suffix"] or given["typed_names"],
        array_suffix=given["array_suffix"] or given["typed_names"],
        traits_from=given["traits_from"],
        consent_categories=given["consent_categories"],
    )
