"""Made-up accounts, and what others do to them between two pushes, as hypothesis draws them.

The ids are those of `made_up.RECORDS`, so that an export and an account have many ids in common.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st

from wootric_map.sandbox import RunningSandbox, SandboxRequest
from wootric_map.sandbox.state import SandboxState
from wootric_map.sandbox.wire import RefusedError, Reply

Form = dict[str, str]
"""The fields of an end user, as a request sends them."""

_IDS: Final = {
    "email": st.sampled_from(["a@b.co", "A@B.co", "c@d.co", "e@f.co", "x@y.zz", "own@z.co"]),
    "external_id": st.sampled_from(["1", "2", "3", "4", "x@y.zz", "own"]),
    "phone_number": st.sampled_from(["+15550001", "+15550002"]),
}
_OTHERS: Final = {
    "external_created_at": st.sampled_from(["1400000000", "1500000000"]),
    "properties[plan]": st.sampled_from(["free", "pro", "basic"]),
    "properties[seats]": st.sampled_from(["1", "2"]),
    "properties[own]": st.just("x"),
}
_FORMS: Final[st.SearchStrategy[Form]] = st.fixed_dictionaries({}, optional=_IDS | _OTHERS).filter(
    lambda form: not form.keys().isdisjoint(_IDS)
)

PAGE: Final = 50
"""How many end users a page of the account's list holds."""


@dataclass
class SetClock:
    """A sandbox's clock, which a test sets back to have end users created long ago."""

    back: float = 0
    """Seconds."""

    def __call__(self) -> float:
        return time.time() - self.back


def _asked(
    state: SandboxState, how: Callable[[SandboxRequest], Reply], form: Form, id_: str = ""
) -> None:
    """Create or change an end user; nothing happens if another has an id of the form."""
    request = SandboxRequest("", "", "", {"id": id_}, {}, form, {}, has_other_body=False)
    with state.lock, suppress(RefusedError):
        how(request)


@dataclass(frozen=True)
class MadeUpAccount:
    """The end users of an account before the first push."""

    named: tuple[Form, ...]
    """Those who may be in the export."""
    older: int
    """How many end users that no export names are older than those."""
    younger: int
    """How many end users that no export names are younger than those."""
    at_a_second: int
    """How many end users were created in one second."""

    def fill(self, sandbox: RunningSandbox, clock: SetClock) -> None:
        """Put the end users into an account."""
        strangers = [
            {"email": f"s{nth}@strange.example", "external_id": f"s{nth}"}
            for nth in range(self.older + self.younger)
        ]
        forms = [*strangers[: self.older], *self.named, *strangers[self.older :]]
        for nth, form in enumerate(forms):
            clock.back = 1_000_000 - nth // self.at_a_second
            _asked(sandbox.state, sandbox.state.create_end_user, form)
        clock.back = 0


ACCOUNTS: Final = st.builds(
    MadeUpAccount,
    named=st.lists(_FORMS, max_size=6).map(tuple),
    older=st.sampled_from([0, 0, PAGE - 2, PAGE, 2 * PAGE, 4 * PAGE, 6 * PAGE]),
    younger=st.sampled_from([0, 0, PAGE, 6 * PAGE]),
    at_a_second=st.sampled_from([1, 7, 1000]),
)
"""Any account: small or larger than a few pages, the end users of the export in any place of its list."""


@dataclass(frozen=True)
class Meddling:
    """What others do to an account: each form changes an end user, or creates one."""

    forms: tuple[tuple[int | None, Form], ...]
    """The place of the end user who is changed, or None for one who is created; and the fields."""

    def happen(self, sandbox: RunningSandbox) -> None:
        """Do it, as far as nobody else has the ids."""
        state = sandbox.state
        for place, form in self.forms:
            users = _without_strangers(state)
            if place is None or not users:
                _asked(state, state.create_end_user, form)
            else:
                _asked(state, state.update_end_user, form, str(users[place % len(users)].id))


def _without_strangers(state: SandboxState) -> list[Any]:
    """The end users whom an export may name, in an order that does not depend on when they were created."""
    named = [user for user in state.end_users if not (user.external_id or "").startswith("s")]
    return sorted(
        named,
        key=lambda user: str((user.email, user.external_id, user.phone_number, user.properties)),
    )


MEDDLING: Final = st.builds(
    Meddling,
    forms=st.lists(
        st.tuples(
            st.none() | st.integers(0, 5), st.fixed_dictionaries({}, optional=_IDS | _OTHERS)
        ),
        max_size=3,
    ).map(tuple),
)
"""What others do to an account, who have the same ids in mind."""
