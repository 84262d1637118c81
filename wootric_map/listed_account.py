"""The account as a dry run knows it with the fewest calls: by its list, else by look-ups."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from wootric_map.account import Account
from wootric_map.account_list import account_walk, kept_list_to_read
from wootric_map.deliver.account_walk import WantedEndUsers
from wootric_map.deliver.existing_policy import may_create_first
from wootric_map.deliver.knowledge import Knowledge
from wootric_map.deliver.known_end_users import KnownEndUsers
from wootric_map.deliver.wanted import end_users_to_ask_about
from wootric_map.deliver.ways import Account as HeldAccount
from wootric_map.diff import Compared
from wootric_map.export import ReadingObserver
from wootric_map.model import EndUser, EndUserUpsert
from wootric_map.plan.plan import Plan
from wootric_map.stopping import Stop
from wootric_map.wootric.client import Wootric


@dataclass(frozen=True, slots=True)
class ListedAccount:
    """What the list of an account tells of its end users; a context that forgets it in the end."""

    account: Account
    wootric: Wootric
    stop: Stop
    observer: ReadingObserver
    clock: Callable[[], float]
    """Returns the unix time."""
    journal: Path | None
    """The journal that the user names, beside which pushes keep the list; None for the account's own."""
    known: KnownEndUsers = field(default_factory=KnownEndUsers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.known.close()

    def know(self, compared: Compared, plan: Plan) -> Compared:
        """Read the list as far as that saves look-ups; return what a plan is compared with then.

        Args:
            compared: what is known without the list.
            plan: the closed plan.

        Raises:
            SettingsError: what stands beside the journal is somebody else's, or no file.
            StoppedError: the run was told to stop.
            WootricError: Wootric could not be asked.
        """
        knowledge = compared.knowledge
        assert knowledge is not None  # noqa: S101 - the account is asked
        wanted = end_users_to_ask_about(
            plan,
            compared.registered,
            memory=compared.memory,
            knowledge=knowledge,
            stop=self.stop,
        )
        pages = self._read(wanted) if wanted.count else 0
        is_whole = self.known.is_complete
        return replace(
            compared,
            find=self.known.find if is_whole else self.find,
            asks=not is_whole,
            knowledge=Knowledge(self.known.look_up, knowledge.is_met, may_create_first(plan)),
            looks_up_each=False,
            holds=HeldAccount(is_whole, self.known.count if is_whole else None, pages),
        )

    def _read(self, wanted: WantedEndUsers) -> int:
        """Read the list as far as that saves look-ups; return how many pages were read."""
        account, wootric = self.account, self.wootric
        kept = kept_list_to_read(account, self.journal, wootric)
        walk = account_walk(
            account, wootric, self.known, self.stop, clock=self.clock, kept=kept, writes=False
        )
        with self.observer.reading_account():
            problems = walk.read(wanted)
        self.observer.account_read(*problems)
        return walk.calls

    def find(self, wanted: EndUserUpsert) -> EndUser | None:
        """Look an end user up in the account, as far as they are not known by the list.

        Raises:
            CallFailedError: Wootric refuses the look-up, or the reply is about another end user.
            WootricError: Wootric could not be asked.
        """
        found, unasked = self.known.look_up(wanted)
        return (self.wootric.find(unasked) if unasked else None) or found
