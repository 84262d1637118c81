"""The settings of each command, from the values of its options by the names of their parameters.

Each function imports no more than its command needs.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict

import click

from cli import run_context
from cli.check_settings import checks_of
from cli.login import Login, is_given

if TYPE_CHECKING:
    from wootric_map.account import AccountSettings, ConnectionSettings
    from wootric_map.dry_run import DryRunSettings
    from wootric_map.inspection.inspect_export import InspectSettings
    from wootric_map.map_records import MapSettings
    from wootric_map.mapping.entries import ReadingOptions
    from wootric_map.mapping.rules import MappingRules
    from wootric_map.model import Existing
    from wootric_map.plan.plan_options import PlanOptions
    from wootric_map.push import PushSettings
    from wootric_map.snapshot.snapshot import SnapshotSettings
    from wootric_map.validate import ValidateSettings
    from wootric_map.write_csv import WriteCsvSettings

STDOUT: Final = "-"
"""The name of standard output."""

Values = Mapping[str, Any]


class _Export(TypedDict):
    """The fields of `ExportSettings`."""

    paths: Sequence[str]
    reading: "ReadingOptions"
    suppress: tuple[Path, ...]
    min_age: float
    ignored_warnings: frozenset[str]


class _Replay(_Export):
    """The fields of `ReplaySettings`."""

    planning: "PlanOptions"
    account: "AccountSettings"
    connection: "ConnectionSettings"
    against: str
    workers: int
    unidentified: Path | None


_NOT_WITH_PLAN: Final = (
    "against", "no_fold", "link_anonymous", "since", "until", "types", "events", "users", "limit",
    "amount_suffix", "array_suffix", "typed_names", "ignore_integrations", "traits_from",
    "consent_categories", "retry_rejects", "min_age", "create_only", "fill_missing",
    "ignored_warnings", "unidentified", "excluded_traits", "included_traits", "only_traits",
    "renamed_traits", "last_surveyed", "response_event", "response_score", "response_text",
    "decline_event", "group_prefix", "rollups", "surveys_disabled", "external_id", "max_rejected",
    "max_warnings", "fail_on", "min_records", "baseline",
)  # fmt: skip

_SINGULAR: Final = {
    "types": "type",
    "events": "event",
    "users": "user",
    "consent_categories": "consent_category",
    "excluded_traits": "exclude_trait",
    "included_traits": "include_trait",
    "only_traits": "only_trait",
    "renamed_traits": "rename_trait",
    "group_prefix": "group_traits",
    "rollups": "rollup",
    "ignored_warnings": "ignore_warning",
    "last_surveyed": "set_last_surveyed",
}
"""The names of the options that are not those of their parameters: most may be given several times."""


def inspect(values: Values) -> "InspectSettings":
    """Return the settings of `inspect`."""
    from wootric_map.inspection.inspect_export import InspectSettings

    return InspectSettings(
        **_export(values),
        processes=values["processes"],
        registered_events=values["registered_events"],
        ask_account=values["ask_account"] or values["sandbox"],
        account=_account(values),
        connection=_connection({**values, "rate": None, "reserve": 0.0}),
    )


def validate(values: Values) -> "ValidateSettings":
    """Return the settings of `validate`."""
    from wootric_map.validate import ValidateSettings

    return ValidateSettings(
        **_export(values),
        processes=values["processes"],
        checks=checks_of(values),
    )


def map_(values: Values) -> "MapSettings":
    """Return the settings of `map`."""
    from wootric_map.map_records import MapSettings

    return MapSettings(
        **_export(values),
        processes=values["processes"],
        account_token=values["account_token"],
        base_url=values["base_url"],
    )


def snapshot(values: Values) -> "SnapshotSettings":
    """Return the settings of `snapshot`.

    Raises:
        SettingsError: there is nowhere to write to.
    """
    from wootric_map.snapshot.snapshot import SnapshotSettings

    return SnapshotSettings(
        account=_account(values),
        connection=_connection(values),
        output=values["output"],
        update=values["update"],
    )


def dry_run(values: Values) -> "DryRunSettings":
    """Return the settings of `dry-run`.

    Raises:
        click.UsageError: options exclude each other.
        SettingsError: options choose nothing.
    """
    from wootric_map.dry_run import DryRunSettings

    return DryRunSettings(
        **_replay(values),
        processes=values["processes"],
        out=values["out"],
        subtract_delivered=values["is_next"],
        journal=values["journal"],
        registered_events=values["registered_events"],
        checks=checks_of(values),
    )


def write_csv(values: Values) -> "WriteCsvSettings":
    """Return the settings of `export`.

    Raises:
        SettingsError: options choose nothing.
    """
    from wootric_map.write_csv import WriteCsvSettings

    output: Path = values["output"]
    # What only calls know, and a CSV does not.
    no_options: Values = {
        "no_fold": False,
        "fill_missing": False,
        "events": (),
        "registered_events": (),
        "unidentified": None,
    }
    return WriteCsvSettings(
        **_replay({**values, **no_options}),
        processes=values["processes"],
        output=None if str(output) == STDOUT else output,
        rows=values["rows"],
        overwrite=values["overwrite"],
        keep_formulas=values["keep_formulas"],
    )


def push(values: Values, *, tells: bool, warns: bool) -> "PushSettings":
    """Return the settings of `push`.

    Args:
        values: the values of the options.
        tells: whether to show the number of calls before the first one.
        warns: whether to show the warnings about the plan.

    Raises:
        click.UsageError: options exclude each other.
        SettingsError: options choose nothing, or exclude each other.
    """
    from wootric_map.checks.checks import CheckSettings
    from wootric_map.deliver.account_lock import JournalSettings
    from wootric_map.deliver.push_observer import Preview
    from wootric_map.push import PushSettings, what_is_pushed

    paths, plan = what_is_pushed(values["paths"], values["plan_path"])
    # Options that contradict each other are reported first.
    replay = _replay(values) | {"paths": paths}
    if plan is None and not paths:
        raise click.UsageError("Missing argument 'PATHS...'.")
    checks = CheckSettings() if plan else checks_of(values)
    settings = PushSettings(
        **replay,
        plan=plan,
        journal=JournalSettings(
            path=values["journal"],
            again=values["again"],
            resend_doubtful=values["in_doubt"] == "resend",
            wait=values["wait"],
        ),
        rejects=values["rejects"],
        keep_rejects=values["keep_rejects"],
        max_duration=values["max_duration"],
        events_first=values["events_first"],
        preview=Preview(calls=tells, warnings=warns or checks.looks_at_warnings),
        checks=checks,
    )
    if plan:
        _check_plan_alone()
    return settings


def _check_plan_alone() -> None:
    """Make sure that no option is given that the plan has decided; else raise `click.UsageError`."""
    for name in _NOT_WITH_PLAN:
        if is_given(name):
            option = _SINGULAR.get(name, name)
            advice = "" if name == "retry_rejects" else ": give it to the dry-run"
            raise click.UsageError(
                f"--{option.replace('_', '-')} has no place beside --plan{advice}"
            )


def _export(values: Values) -> _Export:
    return {
        "paths": values["paths"],
        "reading": _reading(values),
        "suppress": _suppress(values),
        "min_age": values["min_age"],
        "ignored_warnings": frozenset(values["ignored_warnings"]),
    }


def _suppress(values: Values) -> tuple[Path, ...]:
    """Return the suppression lists of the configuration files and of the command line, which add up."""
    configuration = run_context.configuration()
    setting = configuration.options.get("suppress") if configuration else None
    if setting is None:
        return tuple(values["suppress"])
    from cli.config.resolve import as_given

    return tuple(dict.fromkeys((*map(Path, as_given(setting)), *values["suppress"])))


def _replay(values: Values) -> _Replay:
    return {
        **_export(values),
        "planning": _planning(values),
        "account": _account(values),
        "connection": _connection(values),
        "against": values["against"] or _against(values),
        "workers": values["workers"],
        "unidentified": values["unidentified"],
    }


def _against(values: Values) -> str:
    """Return what a dry run compares with if nobody says: the account, if it can be asked."""
    from wootric_map.comparison import AUTO, NOTHING

    stands_alone = values["sandbox"] or values["registered_events"]
    return AUTO if _login(values).is_given and not stands_alone else NOTHING


def _reading(values: Values) -> "ReadingOptions":
    from wootric_map.mapping.entries import ReadingOptions

    return ReadingOptions(
        max_line_bytes=values["max_line_bytes"],
        ignore_integrations=values["ignore_integrations"],
        amount_suffix=values["amount_suffix"] or values["typed_names"],
        array_suffix=values["array_suffix"] or values["typed_names"],
        traits_from=values["traits_from"],
        consent_categories=values["consent_categories"],
        configured=_rules(values),
    )


def _rules(values: Values) -> "MappingRules":
    """Return the rules of the mapping: those of the configuration files, and those of the command line.

    Raises:
        SettingsError: they contradict each other.
    """
    from wootric_map.mapping.derived_rules import with_rollups
    from wootric_map.mapping.rules import DEFAULT_RULES

    configuration = run_context.configuration()
    rules = configuration.rules if configuration else DEFAULT_RULES
    traits = replace(
        rules.traits,
        exclude=(*rules.traits.exclude, *values["excluded_traits"]),
        include=(*rules.traits.include, *values["included_traits"]),
        only=values["only_traits"] or rules.traits.only,
        rename={**rules.traits.rename, **values["renamed_traits"]},
    )
    responses = rules.responses
    places = {name: values[f"response_{name}"] for name in ("score", "text")}
    given = {name: place for name, place in places.items() if place is not None}
    event, decline_event = values["response_event"], values["decline_event"]
    if given and (event or responses.event) is None:
        raise click.UsageError(
            f"--response-{next(iter(given))} says where it stands in a --response-event: name that, too"
        )
    responses = replace(
        responses,
        event=event or responses.event,
        decline_event=decline_event or responses.decline_event,
        **given,
    )
    rules = replace(
        rules,
        traits=traits,
        responses=responses,
        group_prefix=values["group_prefix"],
        rollup=with_rollups(rules.rollup, values["rollups"]),
        surveys_disabled=values.get("surveys_disabled"),
        identity=replace(
            rules.identity, external_id=values["external_id"] or rules.identity.external_id
        ),
    )
    rules.check()
    return rules


def _planning(values: Values) -> "PlanOptions":
    from wootric_map.mapping.filters import Choice
    from wootric_map.plan.plan_options import PlanOptions

    if values["create_only"] and values["fill_missing"]:
        raise click.UsageError(
            "--create-only leaves end users who are there as they are, and --fill-missing adds to them: "
            "choose one"
        )
    choice = Choice(
        since=values["since"],
        until=values["until"],
        types=frozenset(values["types"]),
        events=values["events"],
        users=frozenset(values["users"]),
        limit=values["limit"],
    )
    choice.check()
    surveyed = values.get("last_surveyed")
    existing: Existing = "fill" if values["fill_missing"] else "update"
    if values["create_only"]:
        existing = "keep"
    return PlanOptions(
        fold=not values["no_fold"],
        link_anonymous=values["link_anonymous"],
        choice=choice,
        retry_rejects=values.get("retry_rejects", False),
        existing=existing,
        last_surveyed=None if surveyed is None else surveyed // 1000,
    )


def _login(values: Values) -> Login:
    configuration = run_context.configuration()
    commands = configuration.secret_commands if configuration else {}
    return Login(
        account_token=values["account_token"],
        base_url=values["base_url"],
        client_id=values["client_id"],
        client_secret_file=values["client_secret_file"],
        username=values["username"],
        password_file=values["password_file"],
        as_client=is_given("client_id", "client_secret_file"),
        as_person=is_given("username", "password_file"),
        client_secret_command=commands.get("client_secret_command"),
        password_command=commands.get("password_command"),
    )


def _configuration_files() -> tuple[tuple[str, str], ...]:
    """Return the configuration files, so that a run writes to none of them."""
    configuration = run_context.configuration()
    files = configuration.files if configuration else ()
    return tuple(("the configuration", str(each)) for each in files)


def _account(values: Values) -> "AccountSettings":
    from wootric_map.account import AccountSettings

    login = _login(values)
    return AccountSettings(
        account_token=login.account_token,
        base_url=login.base_url,
        credentials=login.credentials,
        secret_files=(*login.secret_files, *_configuration_files()),
        sandbox=values["sandbox"],
    )


def _connection(values: Values) -> "ConnectionSettings":
    from wootric_map.account import ConnectionSettings

    return ConnectionSettings(
        rate=values["rate"],
        reserve=values["reserve"],
        retries=values["retries"],
        connect_timeout=values["connect_timeout"],
        read_timeout=values["read_timeout"],
        deadline=values["deadline"],
        give_up_after=values["give_up_after"],
        ca_bundle=os.environ.get("REQUESTS_CA_BUNDLE"),
    )
