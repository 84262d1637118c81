"""The records of deliveries that failed: kept to be mended, and known by later runs."""

from dataclasses import dataclass

from wootric_map.deliver.journal_rejects import RejectedRecords
from wootric_map.deliver.push_observer import PushObserver
from wootric_map.model import Failure, Outcome, Skip
from wootric_map.plan.earlier_rejects import REFUSED
from wootric_map.plan.plan import Plan
from wootric_map.plan.plan_file import PlanFile
from wootric_map.rejects import RejectsFile


@dataclass(frozen=True, slots=True)
class FailedRecords:
    """Keeps the records of failed deliveries in the rejects file and the journal."""

    plan: Plan | PlanFile
    rejects: RejectsFile
    history: RejectedRecords
    """The records that earlier runs rejected or saw refused."""
    observer: PushObserver

    def keep(self, outcome: Outcome) -> None:
        """Keep the records of an outcome if it is a failure; else note that they went through.

        Raises:
            OSError: the rejects file can't be written.
        """
        result = outcome.result
        if isinstance(result, Failure):
            for ref in outcome.refs:
                raw = self.plan.raw(ref)
                self.observer.failed(raw)
                if isinstance(self.plan, PlanFile):
                    of_plan = {"account": self.plan.account}
                    self.rejects.fail(ref.source, ref.line, result, raw, outcome.key, of_plan)
                    continue
                self.rejects.fail(ref.source, ref.line, result, raw, outcome.key)
                if result.code == "refused":
                    self.history.reject(raw, REFUSED)
                else:
                    self.history.note_failure(raw)
        elif self.history.retries and (
            result is None or (isinstance(result, Skip) and result.code == "delivered_before")
        ):
            for ref in outcome.refs:
                self.history.note_success(self.plan.raw(ref))
