"""Count the calls of a push for accounts of several sizes, and print a Markdown table of them.

The calls are those in the log of a sandbox, to which the installed command pushes an export. For each
account, none, a tenth, half and all of the export's end users are there already, as the push leaves them or
with another value of one trait.

Example: python tests/benchmarks/calls.py --export 200 --accounts 0,40 --against account
"""

import argparse
import dataclasses
import math
import random
import shlex
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

sys.path.append(str(Path(__file__).parents[1] / "support"))

from forking import forking
from replaying import Replay, at, identify

from wootric_map.sandbox import EndUser, RunningSandbox, run_sandbox

RATE: Final = 100
"""Calls a minute that an endpoint allows (wootric.md 4)."""
WAYS: Final = ("account", "auto")
YEAR: Final = 365 * 24 * 60 * 60
LONGEST: Final = 1800
"""Seconds that a push may take."""
KINDS: Final[Mapping[str, str]] = {
    "POST /oauth/token": "sign_ins",
    "GET /v1/end_users": "pages",
    "GET /v1/end_users/{id}": "look_ups",
    "GET /v1/end_users/phone_number/{number}": "look_ups",
    "POST /v1/end_users": "creates",
    "PUT /v1/end_users/{id}": "updates",
}
"""What calls of an endpoint are counted as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """How many calls of each kind a push makes."""

    sign_ins: int = 0
    pages: int = 0
    """Pages of the list of end users."""
    look_ups: int = 0
    creates: int = 0
    """Those that created somebody."""
    refused_creates: int = 0
    """Those for somebody who is there."""
    updates: int = 0

    @property
    def total(self) -> int:
        """All calls together."""
        return sum(dataclasses.astuple(self))

    @property
    def slowest(self) -> int:
        """The calls that wait for each other: the pages, then those of the endpoint that gets most.

        Each endpoint has a limit of its own, and the list is read before anything is written.
        """
        posts = self.creates + self.refused_creates
        return self.pages + max(self.look_ups, posts, self.updates)

    def __str__(self) -> str:
        counts = dataclasses.asdict(self).items()
        return ", ".join(f"{kind.replace('_', ' ')} {count:,}" for kind, count in counts if count)


def counted(log: Sequence[Mapping[str, object]]) -> Calls:
    """Count the requests in the log of a sandbox.

    Raises:
        KeyError: a request is none that an export of identifies needs.
    """
    kinds = Counter(KINDS[str(request["endpoint"])] for request in log)
    kinds["refused_creates"] = kinds["creates"] - sum(
        request["status"] == HTTPStatus.CREATED for request in log
    )
    kinds["creates"] -= kinds["refused_creates"]
    return Calls(**kinds)


@dataclass(frozen=True, slots=True)
class Case:
    """An account, and an export that is pushed to it."""

    account: int
    """End users in the account."""
    export: int
    """End users in the export."""
    there: int
    """End users who are in both."""
    changed: bool
    """Whether those are held with another value of one trait than the export has."""

    @property
    def minimum(self) -> Calls:
        """What remains if it is known without any call whom the account holds, and how."""
        updates = self.there if self.changed else 0
        return Calls(sign_ins=1, creates=self.export - self.there, updates=updates)

    @property
    def is_repeated(self) -> bool:
        """Whether it is worth pushing twice: as many as can be are there, all unchanged."""
        return self.there == min(self.account, self.export) and not self.changed

    def __str__(self) -> str:
        state = ("changed" if self.changed else "unchanged") if self.there else ""
        return f"{self.account:,} | {self.there:,} | {state}"


def cases(accounts: Sequence[int], export: int) -> Iterator[Case]:
    """Yield each account with none, a tenth, half and all of the export, or as many as there is room for."""
    for account in accounts:
        shares = (0, export // 10, export // 2, export)
        for there in dict.fromkeys(min(share, account) for share in shares):
            for changed in (False, True) if there else (False,):
                yield Case(account, export, there, changed)


@dataclass(slots=True)
class Clock:
    """The sandbox's clock, which can be set back."""

    stopped_at: float | None = None
    """Unix time in seconds; None lets it run."""

    def __call__(self) -> float:
        """Return the unix time in seconds."""
        return time.time() if self.stopped_at is None else self.stopped_at


class Bench:
    """A sandbox that is filled anew for each push."""

    def __init__(
        self,
        sandbox: RunningSandbox,
        log: list[Mapping[str, object]],
        clock: Clock,
        chosen: argparse.Namespace,
    ) -> None:
        self._sandbox = sandbox
        self._log = log
        self._clock = clock
        self._chosen = chosen

    def measure(self, case: Case, way: str) -> tuple[Calls, ...]:
        """Push an export once, and where that was asked for a second time; return the calls of each push.

        Raises:
            SystemExit: a push failed, wrote too much, or did not leave the account as the export has it.
        """
        self._sandbox.state.reset()
        with tempfile.TemporaryDirectory() as folder:
            replay = Replay(Path(folder), self._sandbox)
            self._fill(replay, case)
            export = replay.write(
                at(1, identify(_user_id(number), _email(number), **_traits(number)))
                for number in range(case.export)
            )
            pushed = [self._push(replay, case, case.minimum, "--against", way, export)]
            if self._chosen.again and case.is_repeated:
                nothing = Calls(sign_ins=1)
                args = ("--again", "--against", way, export)
                pushed.append(self._push(replay, case, nothing, *args))
        return tuple(pushed)

    def _fill(self, replay: Replay, case: Case) -> None:
        """Create the end users over the year before, in an order that has nothing to do with the export's."""
        chance = random.Random(self._chosen.seed)
        there = chance.sample(range(case.export), case.there)
        others = range(case.export, case.export + case.account - case.there)
        people = [*there, *others]
        chance.shuffle(people)
        now = time.time()
        ages = sorted((chance.randrange(1, YEAR) for _ in people), reverse=True)
        for number, age in zip(people, ages, strict=True):
            self._clock.stopped_at = now - age
            is_changed = case.changed and number < case.export
            traits = _traits(number) | ({"plan": "before"} if is_changed else {})
            replay.holds(_user_id(number), _email(number), **traits)
        self._clock.stopped_at = None

    def _push(self, replay: Replay, case: Case, minimum: Calls, *args: str | Path) -> Calls:
        """Push, and see that what had to be written was written, and nothing else."""
        self._log.clear()
        done = forking().run(
            ["push", "--quiet", "--workers", str(self._chosen.workers), *args],
            cwd=replay.folder,
            env=replay.environment(),
            stdin=b"",
            timeout=LONGEST,
        )
        calls = counted(self._log)
        written = (calls.creates, calls.updates) == (minimum.creates, minimum.updates)
        if done.returncode or not written or not _is_right(self._sandbox.state.end_users, case):
            command = shlex.join(["push", *map(str, args)])
            why = done.stderr.decode(errors="replace")[-2000:]
            sys.exit(f"{case} | {command}: exit code {done.returncode}, or wrong: {calls}\n{why}")
        return calls


def _user_id(number: int) -> str:
    return f"user-{number}"


def _email(number: int) -> str:
    return f"user-{number}@example.com"


def _traits(number: int) -> dict[str, Any]:
    return {"name": f"Ada {number}", "plan": "pro", "seats_amount": number % 50 + 1}


def _is_right(held: Sequence[EndUser], case: Case) -> bool:
    """Tell whether the account holds those it had, and all of the export as that has them."""
    by_user_id = {end_user.external_id: end_user for end_user in held}
    return len(held) == case.account + case.export - case.there and all(
        end_user is not None
        and end_user.email == _email(number)
        and end_user.properties == {name: str(value) for name, value in _traits(number).items()}
        for number in range(case.export)
        for end_user in (by_user_id.get(_user_id(number)),)
    )


def table(bench: Bench, chosen: argparse.Namespace) -> Iterator[str]:
    """Measure all, and yield the lines of a Markdown table."""
    ways = [f"`--against {way}`" for way in chosen.against]
    heads = (
        "account",
        "export there",
        "those are",
        *(f"{way} | minutes" for way in [*ways, "minimum"]),
    )
    yield f"| {' | '.join(heads)} |"
    yield f"| ---: | ---: | --- |{' ---: |' * 2 * (len(ways) + 1)}"
    for case in cases(chosen.accounts, chosen.export):
        pushes = [bench.measure(case, way) for way in chosen.against]
        for number, of_ways in enumerate(zip(*pushes, strict=True)):
            name = f"{case.account:,} | {case.export:,} | pushed before" if number else f"{case}"
            for way, calls in zip(chosen.against, of_ways, strict=True):
                print(f"{name} | {way}: {calls}", file=sys.stderr)  # noqa: T201
            minimum = Calls(sign_ins=1) if number else case.minimum
            shown = (f"{each.total:,} | {_duration(each.slowest)}" for each in (*of_ways, minimum))
            yield f"| {name} | {' | '.join(shown)} |"


def _duration(calls: int) -> str:
    """Return how long so many calls of one endpoint take."""
    if calls < RATE:
        return f"{math.ceil(60 * calls / RATE)} s"
    minutes = calls / RATE
    return f"{minutes:.0f} min" if minutes >= 10 else f"{minutes:.2g} min"


def options() -> argparse.ArgumentParser:
    """What may be chosen."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--export", type=int, default=2000, help="end users in the export")
    parser.add_argument(
        "--accounts",
        type=lambda text: tuple(map(int, text.split(","))),
        default=(0, 40, 2000, 20_000),
        help="end users in each account",
    )
    parser.add_argument(
        "--against",
        type=lambda text: tuple(text.split(",")),
        default=WAYS,
        help="the ways of push to measure",
    )
    parser.add_argument(
        "--again",
        action="store_true",
        help="where all are there unchanged, also count a second push, with what the first one has kept",
    )
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    return parser


def main() -> None:
    """Measure, and print the table."""
    chosen = options().parse_args()
    log: list[Mapping[str, object]] = []
    clock = Clock()
    with run_sandbox(log=log.append, clock=clock) as sandbox:
        for line in table(Bench(sandbox, log, clock, chosen), chosen):
            print(line, flush=True)  # noqa: T201
    print(  # noqa: T201
        f"\nCalls of a push of {chosen.export:,} end users, one identify each, by the sandbox's own log, "
        f"signing in included; minutes at {RATE} calls a minute for each endpoint: those of the list, and "
        "then those of the slowest. The minimum is signing in, and one call for each end user who is not "
        "there or is changed."
        "\n\n"
        f"    python tests/benchmarks/calls.py {shlex.join(sys.argv[1:])}".rstrip()
    )


if __name__ == "__main__":
    main()
