"""What a run knows of an account's end users without asking for each: from the list, and from its own writes.

The list is read from its beginning, so that a run may know a part of the account only. Who is in that part is
known; whether somebody else is in the account is not.
"""

import threading
from collections.abc import Iterable
from typing import Final

from wootric_map.deliver.knowledge import Known, with_only
from wootric_map.deliver.presence_share import PresenceShare
from wootric_map.model import EndUser, EndUserUpsert, LookUpKey
from wootric_map.snapshot.end_user_table import EndUserTable


class KnownEndUsers:
    """The end users of an account, as far as a run knows them; may be used from several threads."""

    def __init__(self) -> None:
        """Begin with nobody known."""
        self.share: Final = PresenceShare()
        """What share of the other end users is there already."""
        self._table: Final = EndUserTable()
        self._uncertain: set[int] = set()
        self._lock = threading.Lock()
        self.is_complete = False
        """Whether the whole account is known, so that whoever is not known is not there."""
        self.is_distrusted = False
        """Whether what was known has turned out to be wrong."""
        self._has_earlier = False

    def close(self) -> None:
        """Forget all."""
        self._table.close()

    @property
    def count(self) -> int:
        """How many end users are known."""
        return len(self._table)

    def add(self, end_users: Iterable[EndUser]) -> None:
        """Add end users as the account holds them now."""
        self._table.put(end_users)

    def add_earlier(self, end_users: Iterable[EndUser]) -> None:
        """Add end users as the account held them earlier; who is known already is known better."""
        self._has_earlier = True
        self._table.put_missing(end_users)

    def forget_all(self) -> None:
        """Know nobody any more."""
        self._table.clear()
        self.is_complete = False

    def distrust(self) -> None:
        """Forget all, since the account has shown that somebody is not there, or not who was known."""
        self.is_distrusted = True
        self.forget_all()

    def note_absence(self) -> None:
        """Take note that somebody is not there any more, as others may be who were known earlier."""
        if self._has_earlier:
            self.distrust()

    def learn(self, end_user: EndUser) -> None:
        """Take note of an end user after a write or a look-up."""
        self._table.put((end_user,))
        with self._lock:
            self._uncertain.discard(end_user.id)

    def doubt(self, number: int) -> None:
        """Take note that a write may have changed an end user, so that only the account can tell.

        Args:
            number: Wootric's own id.
        """
        with self._lock:
            self._uncertain.add(number)

    def find(self, wanted: EndUserUpsert) -> EndUser | None:
        """Return a wanted end user as far as is known."""
        return self.look_up(wanted).found

    def look_up(self, wanted: EndUserUpsert) -> Known:
        """Look an end user up, in Wootric's order: by id, external id, then email, or phone.

        Wootric finds the oldest of those who have a phone, so that a phone tells nothing while only a part of
        the account is known. That nobody has a phone is asked in any case: Wootric refuses no second one.
        """
        missing: list[LookUpKey] = []
        for by, key in wanted.look_up_keys():
            if by == "phone_number" and not self.is_complete:
                missing.append(by)
                continue
            found = self._table.by(by, key, wanted)
            if found and found.id in self._uncertain:
                return Known(None, wanted)
            if found:
                is_open = bool(missing) and not self.is_complete
                return Known(found, with_only(wanted, missing) if is_open else None)
            missing.append(by)
        is_certain = self.is_complete and "phone_number" not in missing
        return Known(None, None if is_certain or not missing else wanted)
