"""The runs on a journal, and the limits that replies told them."""

from collections.abc import Mapping
from math import inf, isfinite

from wootric_map.deliver.journal_session import Session
from wootric_map.model import CALLS


class Runs:
    """This run and the runs before it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._commits = session.commits

    def end(self, exit_code: int, done: Mapping[str, int], failed: int) -> None:
        """Keep how this run ended.

        Args:
            exit_code: the exit code of the process.
            done: the number of deliveries by action.
            failed: the number of records that failed.
        """
        counts = (*(done.get(action, 0) for action in (*CALLS[:2], "unchanged", *CALLS[2:])),)
        self._commits.enqueue(
            "UPDATE run SET ended = ?, exit_code = ?, created = ?, updated = ?, unchanged = ?, "
            "eligibility_checks = ?, page_views = ?, responses = ?, declines = ?, surveys_off = ?, "
            "failed = ? WHERE number = ?",
            (self._session.clock(), exit_code, *counts, failed, self._session.run),
        )

    @property
    def knows_until(self) -> float | None:
        """The unix time until which earlier runs met end users; None if they met none.

        A run that was killed ended at the latest when the next one began.
        """
        query = (
            "SELECT max(coalesce(ended, "
            "(SELECT min(began) FROM run AS later WHERE later.number > run.number))) "
            "FROM run WHERE number < ? AND EXISTS (SELECT 1 FROM end_user)"
        )
        found = self._commits.first(query, self._session.run)
        return None if found is None or found[0] is None else float(found[0])

    def limits(self) -> dict[str, float]:
        """Return the limits that replies told earlier runs, in calls a minute; infinite for no limit."""
        with self._commits.reading() as database:
            rows = database.execute("SELECT endpoint, per_minute FROM pace").fetchall()
        return {endpoint: inf if limit is None else limit for endpoint, limit in rows}

    def note_limits(self, limits: Mapping[str, float]) -> None:
        """Keep the limits that replies have told, in the form of `limits`."""
        for endpoint, limit in limits.items():
            query = "INSERT OR REPLACE INTO pace VALUES (?, ?)"
            self._commits.enqueue(query, (endpoint, limit if isfinite(limit) else None))
