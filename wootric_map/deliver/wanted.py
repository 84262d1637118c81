"""Whom a push would have to ask the account about."""

from wootric_map.deliver.account_walk import WantedEndUsers
from wootric_map.deliver.fingerprints import Memory
from wootric_map.deliver.knowledge import Knowledge
from wootric_map.deliver.rehearse import rehearse
from wootric_map.errors import StoppedError
from wootric_map.plan.plan import Plan
from wootric_map.stopping import Stop


def end_users_to_ask_about(
    plan: Plan,
    registered: frozenset[str] | None,
    *,
    memory: Memory | None,
    knowledge: Knowledge | None,
    stop: Stop,
) -> WantedEndUsers:
    """Return the end users of a plan of whom only the account can tell.

    Args:
        plan, registered, memory, knowledge: as in `rehearse`.
        stop: ends this early.

    Raises:
        StoppedError: the run was told to stop.
    """
    wanted = WantedEndUsers(plan)
    for each in rehearse(plan, registered, memory=memory, knowledge=knowledge):
        if stop.exit_code:
            raise StoppedError
        if each.asked.is_open:
            wanted.add(each.end_user.person.root)
    return wanted
