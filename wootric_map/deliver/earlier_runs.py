"""What follows for a step from what earlier runs, or earlier steps, have done."""

from wootric_map.deliver.fingerprints import Delivered, PastDelivery
from wootric_map.model import Failure, Skip


def past_of(answer: object) -> PastDelivery | None:
    """Return the answer to `RecallDelivery`."""
    if isinstance(answer, Delivered):
        return answer
    return "in_doubt" if answer == "in_doubt" else None


def still_holds(verdict: object, latest: float) -> bool:
    """Return whether a write was delivered, and no earlier write of the plan was delivered after it."""
    return isinstance(verdict, Delivered) and verdict.run >= latest


def skip_if_sent(kind: str, verdict: object) -> Skip | None:
    """Return the skip of an event that an earlier run has sent; None if none has."""
    if isinstance(verdict, Delivered):
        message = "an earlier run has delivered it"
        return Skip("delivered_before", kind, "messageId", message)
    if verdict == "in_doubt":
        message = "an earlier run sent it and saw no answer; sent again it may count twice"
        return Skip("in_doubt", kind, "messageId", message)
    return None


def failure_after(refused: Failure | None) -> Failure | None:
    """Return the failure of a call whose end user could not be written; None if they could."""
    if refused is None:
        return None
    message = f"not sent, since its end user could not be written: {refused.message}"
    return Failure("end_user_failed", message)
