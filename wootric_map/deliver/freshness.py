"""Whether the last push to an account is recent enough, for whoever watches a nightly run."""

from datetime import UTC, datetime

from wootric_map.deliver.journal_contents import Contents
from wootric_map.values.durations import duration


def overdue(held: Contents, *, began: float | None, now: float, max_age: float) -> str | None:
    """Tell why the last push is too long ago; None if it is not.

    A run that came to its end counts from its end, whatever was rejected or failed in it; one that is under
    way counts from its beginning. One that was killed, or that could not sign in or reach Wootric, does not
    count.

    Args:
        held: the contents of the account's journal.
        began: when the run began that is under way, in unix time; None for none.
        now: unix time.
        max_age: how many seconds ago a run may be.
    """
    finished = held.last_finished
    moments = [began, finished.ended if finished else None]
    latest = max((each for each in moments if each is not None), default=None)
    if latest is not None and now - latest <= max_age:
        return None
    if latest is None:
        told = "no push has come to its end yet"
    else:
        at = datetime.fromtimestamp(latest, UTC).strftime("%Y-%m-%d %H:%M UTC")
        did = "began the push that is still under way" if latest == began else "ended the last push"
        told = f"{at} {did}, {duration(now - latest)} ago"
    if held.runs and held.runs[0] != finished and began is None:
        last = held.runs[0]
        ended = "was cut off" if last.exit_code is None else f"ended with {last.exit_code}"
        told += f"; run {last.number} {ended}"
    return told
