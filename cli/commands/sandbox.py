"""`wootric-replay sandbox`: a stand-in Wootric on loopback, until Ctrl-C."""

import _thread
import contextlib
import errno
import json
import os
import shlex
import signal
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from cli import options, redacting
from wootric_map.ownership import open_ours, open_special, place_of_ours

if TYPE_CHECKING:
    from wootric_map.redaction.redaction import Redaction
    from wootric_map.sandbox import SandboxSettings

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port on 127.0.0.1. Without it, or with 0: any free one.",
)
@click.option(
    "--rate-limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Requests a minute that each endpoint takes before it answers 429. Without it: no limit.",
)
@click.option(
    "--latency",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    metavar="MS",
    help="Milliseconds before each answer.",
)
@click.option(
    "--token-lifetime",
    type=click.IntRange(min=1),
    default=7200,
    show_default=True,
    metavar="SECONDS",
    help="How long an access token is good for.",
)
@click.option(
    "--registered-event",
    "registered_events",
    multiple=True,
    metavar="NAME",
    help="An event that counts, letter for letter; may be given several times. "
    "Replaces the ones that come with the sandbox.",
)
@click.option(
    "--no-registered-events",
    is_flag=True,
    help="Be an account without Targeted Sampling: no event counts.",
)
@click.option(
    "--error-rate",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    metavar="SHARE",
    help="Share of requests, 0 to 1, answered 500 or 503 and not carried out.",
)
@click.option("--seed", type=int, help="Draw the same errors every time.")
@click.option(
    "--log",
    "log_path",
    type=options.LocalPath(dir_okay=False),
    metavar="FILE",
    help="Add each request to FILE as a line of JSON, with secrets masked.",
)
@click.option("--account-token", metavar="TOKEN", help="The account's token.")
@options.redact_option
def sandbox(
    port: int,
    rate_limit: int | None,
    latency: float,
    token_lifetime: int,
    registered_events: tuple[str, ...],
    no_registered_events: bool,
    error_rate: float,
    seed: int | None,
    log_path: Path | None,
    account_token: str | None,
) -> None:
    """Run a stand-in Wootric on this machine, to rehearse a replay against.

    It signs in, keeps end users, answers eligibility checks and takes page views as Wootric does,
    holds everything in memory, and forgets it when it ends. GET /_sandbox/state shows what it
    holds; POST /_sandbox/reset empties it. Ctrl-C ends it.

    \b
    Example: a slow account with a tight limit, and a record of what it was sent
        wootric-replay sandbox --port 8911 --rate-limit 100 --latency 80 --log requests.jsonl
    """
    if registered_events and no_registered_events:
        raise click.UsageError("--registered-event and --no-registered-events exclude each other")
    settings = _settings(
        account_token=account_token,
        rate_limit=rate_limit,
        latency=latency / 1000,
        token_lifetime=token_lifetime,
        registered_events=() if no_registered_events else registered_events or None,
        error_rate=error_rate,
        seed=seed,
    )
    from wootric_map.sandbox import run_sandbox

    stop = threading.Event()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_stop_signals(stop))
        log = None
        if log_path is not None:
            file = stack.enter_context(_open_log(log_path))
            log = _RequestLog(file, stop, redacting.current())
        try:
            running = stack.enter_context(run_sandbox(settings, port=port, log=log))
        except OSError as error:
            raise _cannot_listen(port, error) from None
        _greet(running.base_url, settings)
        stop.wait()
    if log is not None and log.failure is not None:
        raise click.ClickException(f"cannot write {log_path}: {log.failure.strerror}")


def _settings(**given: Any) -> "SandboxSettings":
    """Return the settings of the sandbox; None stands for a default.

    Raises:
        click.ClickException: the extra `sandbox` is not installed, or a setting is outside its range.
    """
    try:
        from wootric_map.sandbox import SandboxSettings
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("wootric_map", ""):
            raise
        raise click.ClickException(
            f"the sandbox needs {error.name}, which is not installed: "
            "pip install 'wootric-replay[sandbox]'"
        ) from None
    try:
        return SandboxSettings(**{name: each for name, each in given.items() if each is not None})
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _cannot_listen(port: int, error: OSError) -> click.BadParameter:
    why = (error.strerror or str(error)).lower()
    return click.BadParameter(
        f"cannot listen on 127.0.0.1:{port}: {why}. Give another port, or none for a free one.",
        param_hint="'--port'",
    )


class _RequestLog:
    """Writes requests as lines of JSON; if it can't, it keeps the reason and ends the sandbox."""

    def __init__(
        self, file: BinaryIO, stop: threading.Event, redaction: "Redaction | None"
    ) -> None:
        self._file = file
        self._stop = stop
        self._redaction = redaction
        self.failure: OSError | None = None

    def __call__(self, record: Mapping[str, object]) -> None:
        if self.failure is not None:
            return
        if self._redaction:
            record = self._redaction.value("", record)
        try:
            self._file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
        except OSError as error:
            self.failure = error
            self._stop.set()


def _open_log(path: Path) -> BinaryIO:
    # Unbuffered: a line is in the file once the request is answered. Private: it holds addresses.
    try:
        place = place_of_ours(path)
        if path.exists() and not path.is_file():  # such as /dev/stderr
            descriptor = open_special(path)
        else:
            descriptor = open_ours(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    except OSError as error:
        why = error.strerror or error
        if error.errno == errno.ENXIO:
            why = "nobody reads this pipe; start its reader first, or name a file"
        raise click.BadParameter(f"cannot open {path}: {why}", param_hint="'--log'") from None
    os.set_blocking(descriptor, True)
    return open(descriptor, "ab", buffering=0)  # noqa: PTH123 - a descriptor is no path


@contextlib.contextmanager
def _stop_signals(stop: threading.Event) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM set `stop` within the context."""

    def handle(*_: object) -> None:
        _thread.start_new_thread(stop.set, ())  # the main thread may have the lock of the event

    before = {number: signal.signal(number, handle) for number in _STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _greet(base_url: str, settings: "SandboxSettings") -> None:
    events = ", ".join(settings.registered_events) or "none (Targeted Sampling is off)"
    lines = (
        f"Sandbox Wootric at {base_url} (Ctrl-C ends it)",
        f"Registered events: {events}",
        "",
        "To sign in to it, paste:",
        f"  export WOOTRIC_ACCOUNT_TOKEN={shlex.quote(settings.account_token)}",
        f"  export WOOTRIC_CLIENT_ID={shlex.quote(settings.client_id)}",
        f"  export WOOTRIC_CLIENT_SECRET={shlex.quote(settings.client_secret)}",
        f"  export WOOTRIC_BASE_URL={base_url}",
        "or, in place of the client id and secret:",
        f"  export WOOTRIC_USERNAME={shlex.quote(settings.username)}",
        f"  export WOOTRIC_PASSWORD={shlex.quote(settings.password)}",
    )
    click.echo("\n".join(lines))
