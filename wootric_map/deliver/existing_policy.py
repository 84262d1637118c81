"""What may be written of an end user who may be there already: all, what they lack, or nothing."""

from wootric_map.deliver.addressing import Change
from wootric_map.deliver.compare import restrict_write
from wootric_map.deliver.fingerprints import Delivered, Fingerprints, Held, RememberedEndUser
from wootric_map.deliver.questions import (
    Deciding,
    LookAtAccount,
    RecallCreation,
    RecallDelivery,
    Verdict,
)
from wootric_map.model import EndUser, Existing
from wootric_map.plan.steps import Write


class ExistingPolicy:
    """What may be written of an end user who may be there already."""

    def __init__(self, existing: Existing) -> None:
        self._existing: Existing = existing
        self._before: Held = None
        """The end user before this run wrote anything."""
        self._is_ours = False
        """Whether this run, or the one that it goes on with, has created them."""
        self.has_looked = False
        """Whether the account itself was asked."""

    @property
    def _may_change(self) -> bool:
        return self._existing == "update" or self._is_ours

    def recalled(self, write: Write, verdict: Verdict | None) -> Deciding[Verdict | None]:
        """Return what an earlier run has made of a write; `verdict` is that where all of it was delivered."""
        if self._may_change:
            return verdict
        if verdict is not None:
            self._is_ours = (yield RecallCreation(write.key_where("begun"))) is not None
            return verdict
        answer = yield RecallDelivery(write.key_where(self._existing), None, None)
        return Change("left", None) if isinstance(answer, Delivered) else None

    def seen(self, write: Write, held: Held, *, asks: bool) -> Deciding[Held]:
        """Look at the account where it takes that to know what may be written."""
        if self._may_change or self.has_looked:
            return held
        known = self._unseen(write, held, asks=asks)
        if known is None:
            return held
        answer = yield LookAtAccount(known)
        self.has_looked = True
        return answer if isinstance(answer, EndUser | RememberedEndUser) else None

    def _unseen(self, write: Write, held: Held, *, asks: bool) -> RememberedEndUser | None:
        """Return whom the account must be asked after; None where enough is known of them."""
        if isinstance(held, RememberedEndUser):
            return held if self._existing == "fill" and held.may_lack(write.whole) else None
        number = write.whole.wootric_id
        if held is None and not asks and number:
            # Nobody was to be asked after them; they are taken to be there.
            return RememberedEndUser(int(number), {}, Fingerprints(b""))
        return None

    def left_of(self, write: Write, held: Held) -> Write:
        """Return what may be written: what this run has created or filled in itself, it may change."""
        if held is None or self._is_ours:
            return write
        if self._before is None or isinstance(self._before, RememberedEndUser):
            self._before = held
        return restrict_write(write, self._before, self._existing)

    def written(self, change: Change, found: Held) -> None:
        """Take note of a write.

        Args:
            change: what it was to do at first.
            found: the end user before it, who turned out to be there or to be otherwise as it was made.
        """
        if isinstance(found, EndUser):
            self._is_ours = False
            self._before = found
        else:
            self._is_ours = self._is_ours or change.action == "create"
