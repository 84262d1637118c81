"""Calls that are put on record in the journal before they are sent, and after they are answered."""

from dataclasses import replace

from wootric_map.deliver.fingerprints import Provenance
from wootric_map.deliver.journal import Journal
from wootric_map.deliver.journal_deliveries import NOWHERE
from wootric_map.errors import CallFailedError, NoAnswerError
from wootric_map.model import Action, EligibilityCheck, EndUser, EndUserUpsert, Failure, PageView
from wootric_map.survey_calls import SurveyCall
from wootric_map.wootric.client import Wootric


class _TrackedCall:
    """Keeps the journal of one call; a `CallTracker`."""

    def __init__(
        self,
        journal: Journal,
        key: str,
        action: Action,
        wanted: EndUserUpsert | None = None,
        provenance: Provenance = NOWHERE,
    ) -> None:
        self._journal = journal
        self._key = key
        self._action: Action = action
        self._wanted = wanted
        self._provenance = provenance
        self.fields = journal.fingerprints.of(wanted) if wanted else None
        """The fingerprints of `wanted`, which two entries need."""

    def about_to_send(self) -> None:
        self._journal.deliveries.about_to_send(
            self._key, self._action, self._wanted, self.fields, self._provenance
        )

    def not_carried_out(self) -> None:
        self._journal.deliveries.not_carried_out(self._key)


class JournaledCalls:
    """Makes calls, and keeps the journal of them."""

    def __init__(self, wootric: Wootric, journal: Journal) -> None:
        self._wootric = wootric
        self.journal = journal

    def send(
        self,
        key: str,
        action: Action,
        call: EligibilityCheck | PageView,
        former_key: str | None = None,
    ) -> Failure | bool:
        """Send an event.

        Args:
            key: the key of the delivery.
            action: the action.
            call: the call to send.
            former_key: the key that earlier releases gave the delivery.

        Returns:
            Why the call failed, or else whether the user is eligible.
        """
        tracked = _TrackedCall(self.journal, key, action)
        try:
            is_eligible = self._wootric.send(call, tracked, resends=self.journal.resends)
        except CallFailedError as error:
            return self.failed(key, action, error.failure)
        except NoAnswerError as error:
            message = f"{error}; it may have been counted, and sent again it would count twice"
            return self.failed(key, action, Failure("in_doubt", message))
        self.journal.deliveries.delivered(key, action, former_key)
        return is_eligible

    def add_survey(
        self, key: str, action: Action, survey: SurveyCall, former_key: str | None = None
    ) -> None:
        """Add a survey response or decline of which it is certain that the account does not hold it.

        Args:
            key: the key of the delivery.
            action: the action.
            survey: the response or decline.
            former_key: as in `send`.

        Raises:
            NoAnswerError, CallFailedError, WootricError: as in `Wootric.add_survey`.
        """
        deliveries = self.journal.deliveries
        deliveries.settled(key, former_key)
        self._wootric.add_survey(survey, _TrackedCall(self.journal, key, action))
        deliveries.delivered(key, action, former_key)

    def turn_surveys_off(self, key: str, number: int) -> None:
        """Turn surveys off for an end user.

        It is put on record only once it is done: what is done twice is done once, so that a call which got no
        answer is simply made again, by this run or the next.

        Args:
            key: the key of the identify that says so.
            number: Wootric's own id of the end user.

        Raises:
            CallFailedError, WootricError: as in `Wootric.turn_surveys_off`.
        """
        self._wootric.turn_surveys_off(number)
        self.journal.opt_outs.turned_off(key, number)

    def failed(
        self, key: str, action: Action, failure: Failure, wanted: EndUserUpsert | None = None
    ) -> Failure:
        """Put on record that a delivery failed, unless it is in doubt, which is on record already."""
        if failure.code != "in_doubt":
            self.journal.deliveries.failed(key, action, wanted)
        return failure

    def create(
        self, key: str, fields: EndUserUpsert, wanted: EndUserUpsert, provenance: Provenance
    ) -> EndUser:
        """Create an end user, who then is as `wanted` says; exceptions as in `Wootric.create`."""
        tracked = _TrackedCall(self.journal, key, "create", wanted, provenance)
        created = self._wootric.create(fields, tracked)
        self.journal.writes.written(key, created.id, wanted, tracked.fields, provenance)
        return created

    def update(
        self,
        key: str,
        number: int,
        fields: EndUserUpsert,
        wanted: EndUserUpsert,
        provenance: Provenance,
        held: EndUser | None = None,
    ) -> EndUser:
        """Change an end user, who then is as `wanted` says; `held` and exceptions as in `Wootric.update`."""
        about = replace(wanted, wootric_id=str(number))
        tracked = _TrackedCall(self.journal, key, "update", about, provenance)
        updated = self._wootric.update(number, fields, tracked, held)
        self.journal.writes.written(key, updated.id, wanted, tracked.fields, provenance)
        return updated
