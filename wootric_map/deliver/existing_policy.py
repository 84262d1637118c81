"""What may be written of an end user who exists already: all, what is empty, or nothing."""

from wootric_map.deliver.compare import restrict_write, without_filled
from wootric_map.deliver.fingerprints import (
    Delivered,
    Fingerprints,
    Held,
    RememberedEndUser,
    RememberedFill,
)
from wootric_map.deliver.questions import (
    Deciding,
    LookAtAccount,
    RecallCreation,
    RecallDelivery,
    RecallFill,
    Verdict,
)
from wootric_map.deliver.verdicts import Change
from wootric_map.model import EndUser, Existing
from wootric_map.plan.plan import Plan
from wootric_map.plan.steps import Write


def may_create_first(plan: Plan) -> bool:
    """Return whether end users of a plan may be created without a look-up before.

    They may not where the journal marks end users as created, for a run that goes on: a refused create would
    leave a mark that a later run could believe.
    """
    # With a suppression list, nobody is written before it is known who they are.
    return not plan.suppresses and (plan.existing == "update" or plan.folds)


class ExistingPolicy:
    """Which fields of an end user may be written, if the end user exists already."""

    def __init__(self, existing: Existing) -> None:
        self._existing: Existing = existing
        self._before: Held = None
        """The end user before this run wrote anything."""
        self._filled: list[RememberedFill] = []
        """What the run that this one continues has filled in."""
        self._is_ours = False
        """Whether this run, or the run that it continues, has created the end user."""
        self.has_looked = False
        """Whether the account was asked about the end user."""

    @property
    def continues(self) -> bool:
        """Whether this run goes on with an end user of a run that was cut short."""
        return self._is_ours or bool(self._filled)

    @property
    def _may_change(self) -> bool:
        return self._existing == "update" or self._is_ours

    def recalled(self, write: Write, verdict: Verdict | None) -> Deciding[Verdict | None]:
        """Return the verdict on a write that earlier runs made; `verdict` is that of the whole write."""
        if self._may_change:
            return verdict
        if verdict is not None:
            self._is_ours = (yield RecallCreation(write.key_where("begun"))) is not None
        else:
            answer = yield RecallDelivery(write.key_where(self._existing), None, None)
            verdict = Change("left", None) if isinstance(answer, Delivered) else None
        if not self._may_change and self._existing == "fill":
            filled = yield RecallFill((write.key, write.key_where("fill")))
            self._filled += [filled] if isinstance(filled, RememberedFill) else []
        return verdict

    def seen(self, write: Write, held: Held, *, asks: bool) -> Deciding[Held]:
        """Ask the account if that is needed to know what may be written; return the end user."""
        if self._may_change or self.has_looked:
            return held
        known = self._unseen(write, held, asks=asks)
        if known is None:
            return held
        answer = yield LookAtAccount(known)
        self.has_looked = True
        return answer if isinstance(answer, EndUser | RememberedEndUser) else None

    def _unseen(self, write: Write, held: Held, *, asks: bool) -> RememberedEndUser | None:
        """Return the end user to ask the account about; None if enough is known."""
        if isinstance(held, RememberedEndUser):
            may_fill = bool(self._filled) or held.may_lack(write.whole)
            return held if self._existing == "fill" and may_fill else None
        number = write.whole.wootric_id
        if held is None and not asks and number:
            # Look-ups are off: the end user with this id is taken to exist.
            return RememberedEndUser(int(number), {}, Fingerprints(b""))
        return None

    def left_of(self, write: Write, held: Held) -> Write:
        """Return what may be written; what this run has created or filled in, it may change."""
        if held is None or self._is_ours:
            return write
        if self._before is None or isinstance(self._before, RememberedEndUser):
            self._before = without_filled(held, self._filled) if isinstance(held, EndUser) else held
        return restrict_write(write, self._before, self._existing)

    def written(self, change: Change, found: Held) -> None:
        """Take note of a write that was made.

        Args:
            change: what was to be written at first.
            found: the end user before the write, if a further attempt has found them; else None.
        """
        if isinstance(found, EndUser):
            self._is_ours = False
            self._before = found
        else:
            self._is_ours = self._is_ours or change.action == "create"
