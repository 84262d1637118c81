"""Warnings about ids that show only once all records are read (segment.md 2 and 8)."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from wootric_map.model import MappingWarning, Ref
from wootric_map.plan.engine.external_ids import SeveralPeoplesId
from wootric_map.plan.engine.names import Names
from wootric_map.plan.engine.spool import Spool
from wootric_map.plan.folding import Folded, PlacedWarning
from wootric_map.plan.identities import Identities
from wootric_map.plan.people import DIGEST, EMAIL, PREFIXES, USER

_IDS_SHOWN: Final = 4
_LONGEST_SHOWN: Final = 100
"""Characters of an id that a message shows."""


def id_warnings(spool: Spool, identities: Identities) -> Iterator[PlacedWarning]:
    """Yield a warning for each ambiguous id, at each record that names it.

    The warnings are `message_id_reused`, `ambiguous_user_id`, `ambiguous_email` and `ambiguous_alias`.
    """
    for source, line, message_id in spool.sharing_message_ids():
        message = (
            f"{_quoted(message_id)} is the messageId of different messages: each is kept; "
            "have whatever writes them give each its own"
        )
        warning = MappingWarning("message_id_reused", "messageId", message, message_id)
        yield PlacedWarning(Ref(0, source, line), warning)
    about: dict[int, MappingWarning] = {}
    for number, emails in identities.ambiguous_users.items():
        text = _text_of(spool.names, number, USER)
        message = (
            f"{_quoted(text)} was identified with {emails:,} emails, several of which are other "
            "userIds' as well: it ties nobody, and what names it belongs to the email beside it"
        )
        about[number] = MappingWarning("ambiguous_user_id", "userId", message, text)
    for number, users in identities.ambiguous_emails.items():
        text = _text_of(spool.names, number, EMAIL)
        message = (
            f"{_quoted(text)} was identified with {users:,} userIds, several of which have another "
            "email as well: it ties nobody, and is an end user of its own"
        )
        about[number] = MappingWarning("ambiguous_email", "email", message, text)
    if about:
        for source, line, number in spool.naming(about):
            yield PlacedWarning(Ref(0, source, line), about[number])
    for previous, users, source, line in spool.names.ambiguous_aliases(
        identities.ambiguous_aliases
    ):
        message = f"previousId {_quoted(previous)} is aliased to {users:,} userIds: it ties nobody"
        warning = MappingWarning("ambiguous_alias", "previousId", message, previous)
        yield PlacedWarning(Ref(0, source, line), warning)


def external_id_warnings(ambiguous: Iterable[SeveralPeoplesId]) -> Iterator[PlacedWarning]:
    """Yield a warning for each external id that several end users state, where one of them does."""
    for text, people, source, line in ambiguous:
        shown = "(very long)" if text.startswith(DIGEST) else text
        message = (
            f"{_quoted(shown)} is stated as the external id of {people:,} end users: it is sent for none of "
            "them; have whatever writes it give each their own"
        )
        warning = MappingWarning("ambiguous_external_id", "", message, shown)
        yield PlacedWarning(Ref(0, source, line), warning)


def with_shared_email(folded: Folded, names: Names, root: int) -> tuple[PlacedWarning, ...]:
    """Return the warnings of a fold, with `shared_email` if several `userId`s have the end user's email.

    No warning is needed for two `userId`s of one alias. `root` is the number of the end user's group of ids.
    """
    pairs = [pair for pair in folded.shared if not names.has_alias(*pair)]
    if not pairs:
        return folded.warnings
    ids = list(dict.fromkeys(chain.from_iterable(pairs)))
    # The fold remembers only so many of them.
    count = max(len(ids), names.count_of(root, PREFIXES[USER]))
    more = count - _IDS_SHOWN
    named = ", ".join(ids[:_IDS_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
    message = f"{count:,} userIds share one end user's email: {named}; the latest is kept"
    warning = MappingWarning("shared_email", "", message, folded.upsert.email)
    return (*folded.warnings, PlacedWarning(folded.last, warning))


def _text_of(names: Names, number: int, kind: int) -> str:
    """Return the text of an id by its number."""
    text = names.name(number).removeprefix(PREFIXES[kind])
    return "(very long)" if text.startswith(DIGEST) else text


def _quoted(text: str) -> str:
    """Return an id in quotes, cut short, since an id may be megabytes long."""
    return f'"{text}"' if len(text) <= _LONGEST_SHOWN else f'"{text[:_LONGEST_SHOWN]}…"'
