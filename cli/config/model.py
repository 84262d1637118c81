"""The one model of a configuration file: every key that may stand in one, and the type of its value.

A table is a `TypedDict` of which any key may be missing, or a frozen dataclass of the library. The keys of
options are their long names with `_` for `-`; a test holds them against the options of the commands, and
`docs/configuration.md` is generated from both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias, TypedDict

import msgspec

from wootric_map.mapping.derived_rules import Rollup
from wootric_map.mapping.rules import IdentityRules, NameRules, ResponseRules, TraitRules


@dataclass(frozen=True, slots=True)
class File:
    """Marks a value that names a file; a relative path begins at the folder of the configuration file."""

    words: tuple[str, ...] = ()
    """Values that name no file."""


@dataclass(frozen=True, slots=True)
class Trusted:
    """Marks a value that is taken only from a file that nobody else can write to.

    It decides where data goes, who said no, which program runs, or which file is written.
    """


@dataclass(frozen=True, slots=True)
class NamesAccount:
    """Marks a value that says which account is used, or who uses it."""


Flag: TypeAlias = bool
Text: TypeAlias = str
Scalar: TypeAlias = str | int | float
"""A text, or a number that is read as its text, as on the command line."""
Texts: TypeAlias = tuple[str, ...]
ReadFiles: TypeAlias = Annotated[Texts, File(), Trusted()]
WrittenFile: TypeAlias = Annotated[str, File(), Trusted()]
SecretFile: TypeAlias = Annotated[str, File(words=("-",)), Trusted()]
Command: TypeAlias = Annotated[Texts, Trusted(), msgspec.Meta(min_length=1)]
"""The words of a command, which no shell reads."""
Login: TypeAlias = Annotated[str, Trusted(), NamesAccount()]


class Output(TypedDict, total=False):
    """What is shown, of every command."""

    color: Text
    redact: Flag


class Style(TypedDict, total=False):
    """The form of what is shown."""

    format: Text


class Report(TypedDict, total=False):
    """Where a report goes, and what makes a check fail."""

    output: WrittenFile
    max_rejected: Scalar
    max_warnings: Scalar
    fail_on: Texts
    min_records: Scalar
    baseline: Annotated[str, File(), Trusted()]


class Baseline(TypedDict, total=False):
    """Where findings are written as known."""

    write_baseline: WrittenFile


class Progress(TypedDict, total=False):
    """How much is told on the way."""

    quiet: Flag
    no_progress: Flag


class Reading(TypedDict, total=False):
    """How records are read."""

    max_line_bytes: Scalar
    min_age: Scalar
    ignore_integrations: Annotated[Flag, Trusted()]
    traits_from: Text
    consent_category: Annotated[Texts, Trusted()]
    amount_suffix: Flag
    array_suffix: Flag
    typed_names: Flag
    suppress: ReadFiles
    group_traits: Text
    ignore_warning: Texts


class OptingOut(TypedDict, total=False):
    """Who wants no surveys."""

    surveys_disabled: Annotated[str, Trusted()]


class Processes(TypedDict, total=False):
    """How many processes read."""

    processes: Scalar


class Token(TypedDict, total=False):
    """The account."""

    account_token: Login


class Account(Token, total=False):
    """The account and its address."""

    base_url: Annotated[str, Trusted()]


class Credentials(TypedDict, total=False):
    """The login, by reference."""

    client_id: Login
    client_secret_file: SecretFile
    client_secret_command: Command
    """A program, with its arguments, that writes the secret to its standard output; no shell reads it."""
    username: Login
    password_file: SecretFile
    password_command: Command
    """A program, with its arguments, that writes the password to its standard output."""


class EndUserPlanning(TypedDict, total=False):
    """Whose end users are planned, and what they are compared with."""

    link_anonymous: Flag
    since: Scalar
    until: Scalar
    type: Texts
    user: Texts
    limit: Scalar
    create_only: Flag
    against: Annotated[str, File(words=("auto", "account", "nothing"))]


class Planning(EndUserPlanning, total=False):
    """What is replayed, and what it is compared with."""

    no_fold: Flag
    event: Texts
    fill_missing: Flag
    unidentified: WrittenFile
    set_last_surveyed: Scalar


class Patience(TypedDict, total=False):
    """How long faults are tolerated."""

    retries: Scalar
    connect_timeout: Scalar
    read_timeout: Scalar
    deadline: Scalar
    give_up_after: Scalar
    verbose: Flag


class Connection(Patience, total=False):
    """How fast calls go, and how long faults are tolerated."""

    rate: Scalar
    reserve: Scalar


class Workers(TypedDict, total=False):
    """How many end users are under way at once."""

    workers: Scalar


class Journal(TypedDict, total=False):
    """The journal of what was delivered."""

    journal: WrittenFile


class Rehearsal(TypedDict, total=False):
    """Whether an embedded sandbox stands in for the account."""

    sandbox: Flag


class Registered(TypedDict, total=False):
    """The events that an account has registered."""

    registered_event: Texts


class DryRunAlone(TypedDict, total=False):
    """What no command but `dry-run` has."""

    out: WrittenFile
    limit_users: Scalar
    detailed_exitcode: Flag
    next: Flag


class InspectAlone(TypedDict, total=False):
    """What no command but `inspect` has."""

    account: Flag


class ExportAlone(TypedDict, total=False):
    """What no command but `export` has."""

    rows: Scalar
    overwrite: Flag
    keep_formulas: Flag


class PushAlone(TypedDict, total=False):
    """What no command but `push` has."""

    max_duration: Scalar
    events_first: Flag
    again: Flag
    in_doubt: Text
    wait: Scalar
    rejects: WrittenFile
    keep_rejects: Scalar
    retry_rejects: Flag
    summary: WrittenFile
    textfile: WrittenFile


class Written(TypedDict, total=False):
    """The file that a command is for."""

    output: WrittenFile


class StatusAlone(TypedDict, total=False):
    """What no command but `status` has."""

    runs: Scalar
    max_age: Scalar


class SnapshotAlone(TypedDict, total=False):
    """What no command but `snapshot` has."""

    update: WrittenFile


class SandboxAlone(TypedDict, total=False):
    """What no command but `sandbox` has."""

    port: Scalar
    rate_limit: Scalar
    latency: Scalar
    token_lifetime: Scalar
    no_registered_events: Flag
    error_rate: Scalar
    seed: Scalar
    log: WrittenFile


class Replay(
    Reading,
    OptingOut,
    Planning,
    Account,
    Credentials,
    Connection,
    Workers,
    Journal,
    Style,
    Report,
    Output,
    total=False,
):
    """The options of `dry-run` and `push`, but for `sandbox`."""


class Validate(Reading, OptingOut, Processes, Style, Report, Baseline, Output, total=False):
    """The options of `validate`."""


class Map(Reading, Processes, Account, Output, total=False):
    """The options of `map`."""


class DryRun(Replay, Processes, Registered, Rehearsal, Baseline, DryRunAlone, total=False):
    """The options of `dry-run`."""


class Inspect(
    Reading,
    OptingOut,
    Processes,
    Account,
    Credentials,
    Patience,
    Registered,
    Rehearsal,
    Style,
    Output,
    InspectAlone,
    total=False,
):
    """The options of `inspect`."""


class Export(
    Reading,
    OptingOut,
    EndUserPlanning,
    Processes,
    Account,
    Credentials,
    Connection,
    Workers,
    Style,
    Output,
    Rehearsal,
    Written,
    ExportAlone,
    total=False,
):
    """The options of `export`."""


class Push(Replay, Progress, Rehearsal, PushAlone, total=False):
    """The options of `push`."""


class Status(Journal, Account, Style, Output, StatusAlone, total=False):
    """The options of `status`."""


class Snapshot(
    Account,
    Credentials,
    Connection,
    Progress,
    Rehearsal,
    Output,
    Written,
    SnapshotAlone,
    total=False,
):
    """The options of `snapshot`."""


class Sandbox(Token, Registered, Output, SandboxAlone, total=False):
    """The options of `sandbox`."""


class MappingTables(TypedDict, total=False):
    """What is configured about the mapping."""

    traits: TraitRules
    events: NameRules
    pages: NameRules
    identity: IdentityRules
    responses: ResponseRules
    rollup: Mapping[str, Rollup]


Tables = TypedDict(
    "Tables",
    {
        "inspect": Inspect,
        "validate": Validate,
        "map": Map,
        "dry-run": DryRun,
        "export": Export,
        "push": Push,
        "status": Status,
        "snapshot": Snapshot,
        "sandbox": Sandbox | Flag,  # a table of the command `sandbox`, or the option `--sandbox`
    },
    total=False,
)
"""The options of one command alone, by its name."""


class Layer(
    Replay,
    Processes,
    Registered,
    Progress,
    Baseline,
    DryRunAlone,
    PushAlone,
    InspectAlone,
    ExportAlone,
    StatusAlone,
    Written,
    SnapshotAlone,
    SandboxAlone,
    Tables,
    MappingTables,
    total=False,
):
    """What a file holds at its top, or in a profile: options for all commands that have them, and tables."""


class Configuration(Layer, total=False):
    """A configuration file."""

    profile: Mapping[str, Layer]


MAPPING: Final = tuple(MappingTables.__annotations__)
"""The tables about the mapping."""

ELSEWHERE: Final = {
    "client_secret": "no secret stands in a configuration file: name a file that holds it "
    "(client_secret_file), or a command that writes it (client_secret_command), or set WOOTRIC_CLIENT_SECRET",
    "password": "no secret stands in a configuration file: name a file that holds it (password_file), or a "
    "command that writes it (password_command), or set WOOTRIC_PASSWORD",
    "paths": "what is read is named on the command line",
    "plan": "a saved plan is pushed once: name it on the command line",
    "yes": "who deletes a journal says so on the command line",
    "config": "a configuration file names no other: use --config, or WOOTRIC_REPLAY_CONFIG",
    "no_config": "give --no-config on the command line",
    "help": "give --help on the command line",
    "exclude_trait": "write it in [traits], as exclude",
    "include_trait": "write it in [traits], as include",
    "only_trait": "write it in [traits], as only",
    "rename_trait": "write it in [traits], as rename",
    "response_event": "write it in [responses], as event",
    "response_score": "write it in [responses], as score",
    "response_text": "write it in [responses], as text",
    "decline_event": "write it in [responses], as decline_event",
    "external_id": "write it in [identity], as external_id",
}
"""What stands in no configuration file, and where it belongs."""

ADD_UP: Final = frozenset({"suppress"})
"""Options whose values of the files and of the command line add up: nobody on any list is sent."""

ASKS: Final = "against the account"
"""What `against` counts as where its value has the account asked."""

RIVALS: Final[tuple[tuple[frozenset[str], frozenset[str]], ...]] = (
    (
        frozenset({"client_id", "client_secret_file", "client_secret_command"}),
        frozenset({"username", "password_file", "password_command"}),
    ),
    (frozenset({"client_secret_file"}), frozenset({"client_secret_command"})),
    (frozenset({"password_file"}), frozenset({"password_command"})),
    (frozenset({"create_only"}), frozenset({"fill_missing"})),
    (frozenset({"journal", "registered_event"}), frozenset({"sandbox"})),
    (frozenset({"registered_event"}), frozenset({"no_registered_events"})),
    (frozenset({"registered_event"}), frozenset({ASKS})),
)
"""Keys that exclude each other: what counts of two is what stands nearer to the command line."""
