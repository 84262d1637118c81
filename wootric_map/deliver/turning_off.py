"""Turning surveys off for an end user, as it was decided, and keeping that it was done (wootric.md 8)."""

from dataclasses import replace

from wootric_map.deliver.answers import Answers
from wootric_map.deliver.journal_opt_outs import off_key
from wootric_map.deliver.journaled_calls import JournaledCalls
from wootric_map.deliver.questions import AnyStep, Decision
from wootric_map.deliver.verdicts import Settled
from wootric_map.errors import CallFailedError
from wootric_map.model import EndUser, Failure, Outcome, Skip
from wootric_map.plan.plan_lines import PlannedCall
from wootric_map.plan.steps import TurnOff, Write
from wootric_map.survey_calls import SurveysOff


def turn_off(
    step: TurnOff | PlannedCall, decision: Decision, calls: JournaledCalls, answers: Answers
) -> Outcome:
    """Turn surveys off for an end user, or return why that is not done.

    Args:
        step: the identify that says so, or the line of a saved plan, with Wootric's own id of the end user.
        decision: what is to be done.
        calls: makes the call, and keeps the journal.
        answers: is told how the account holds the end user then.

    Raises:
        WootricError: Wootric could not be asked.
    """
    assert isinstance(step.call, SurveysOff)  # noqa: S101 - the caller has seen to it
    verdict, number = decision.verdict, int(step.call.wootric_id or 0)
    outcome = Outcome(decision.action, step.refs, None)
    opt_outs = calls.journal.opt_outs
    if isinstance(verdict, Settled):
        note = opt_outs.told if decision.action == "kept_off" else opt_outs.turned_off
        note(step.key, number)
        return outcome._replace(result=verdict.skip)
    if isinstance(verdict, Skip):
        return outcome._replace(result=verdict)
    failure = verdict if isinstance(verdict, Failure) else None
    if failure is None:
        try:
            calls.turn_surveys_off(step.key, number)
        except CallFailedError as error:
            failure = error.failure
            answers.note_failure(failure, decision.held)
    if failure:
        calls.failed(off_key(number) if number else step.key, "surveys_off", failure)
        return outcome._replace(refs=(step.ref,), result=failure)
    if isinstance(decision.held, EndUser):
        answers.learn(replace(decision.held, has_surveys_off=True))
    return outcome


def settled_by(step: AnyStep) -> int | None:
    """Return how many records the outcome of a step deals with; None for all of its places.

    The identify that has surveys turned off is dealt with once that is done, so that a run which is cut short
    before it counts the record as left.
    """
    if isinstance(step, TurnOff):
        return int(step.said.is_off)
    if isinstance(step, Write) and step.turns_off:
        return len(step.refs) - 1
    return None
