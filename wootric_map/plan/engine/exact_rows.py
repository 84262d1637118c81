"""Records of any form → their rows: who they name, and what they tie."""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from wootric_map.mapping.calls import plain
from wootric_map.mapping.filters import Choice, not_chosen
from wootric_map.mapping.identity import User, user_of
from wootric_map.mapping.plain_properties import cannot_warn
from wootric_map.mapping.property_names import Kinds, Naming
from wootric_map.mapping.settings import note_kinds, page_address
from wootric_map.model import Skip
from wootric_map.plan.engine.rows import (
    CHOSEN,
    CLAIM,
    EMAIL_IN_TRAITS,
    HINT,
    IDENTIFY,
    MENTIONED,
    PAGE,
    QUIET,
    TIE,
    TRACK,
    UNFILED,
    WITHHELD,
    Rows,
    in_base64,
    packed,
)
from wootric_map.plan.people import ANONYMOUS, DIGEST, EMAIL, PHONE, USER, WOOTRIC, id_name
from wootric_map.read.record import Fields, Identify, Page, Record, Track
from wootric_map.report import Report
from wootric_map.values.contact import comparable
from wootric_map.wootric.address_length import is_short_check, is_short_view, is_surely_short

_LONGEST: Final = 1000
"""Characters of a text by which records are told apart; of a longer one there is a digest."""


class ExactRows:
    """Makes the rows of records that the exact reader has read."""

    def __init__(
        self,
        source: str,
        report: Report,
        choice: Choice,
        naming: Naming,
        *,
        link_anonymous: bool,
        keep_lines: bool,
    ) -> None:
        """Begin a part.

        Args:
            source: the name of the part's source.
            report: counts the records and warnings.
            choice: which records are replayed.
            naming: how properties are named.
            link_anonymous: whether it matters what an anonymousId was seen with.
            keep_lines: whether the records' lines are kept.
        """
        self.rows = Rows()
        self.kinds = Kinds()
        self._source = source
        self._report = report
        self._choice = choice
        self._naming = naming
        self._links = link_anonymous
        self._keeps_lines = keep_lines

    def skip(self, line: int, skip: Skip) -> None:
        """Count a skipped record, and keep what it tells of ids."""
        self._report.records += 1
        self._report.skip(self._source, line, skip)
        self._report.warn_of_record(self._source, line, skip.warnings)
        if skip.ties:
            self.rows.aliases.append((*skip.ties, line))
        if skip.withheld is not None:
            user = user_of(skip.withheld).user
            if user.user_id and user.email:
                self._pair(WITHHELD, id_name(USER, user.user_id), _email_name(user.email))

    def add(
        self, slot: int, line: int, raw: bytes, record: Record, *, left_out: Skip | None = None
    ) -> None:
        """Add a record; one that is not chosen serves to know who is who, or is met again later.

        Args:
            slot: its number in the part.
            line: where it stands.
            raw: its own line.
            record: the record.
            left_out: why it is left out, whatever is chosen.
        """
        self._report.records += 1
        chosen = left_out is None and self._choice.takes(record)
        if not chosen:
            self._report.skip(self._source, line, left_out or not_chosen(record.type))
        if self._choice.events and isinstance(record, Track):
            self._report.met_events.update(self._choice.patterns_of(record.event))
        named = user_of(record)
        user, email_from = named.user, named.email_from
        if not user.email:
            has_elsewhere = not isinstance(record, Identify) and record.has_email_elsewhere
            email_from = EMAIL_IN_TRAITS if has_elsewhere else None
        self._report.warn_of_record(self._source, line, [*record.warnings, *named.warnings])
        if self._naming.renames and not isinstance(record, Page):
            note_kinds(record, self.kinds)
        mark, topic, own = self._own(raw, record, user, email_from, chosen=chosen)
        if own is None and record.message_id is None:
            return
        filed, other = UNFILED, None
        if own is not None:
            may_be_other = email_from == "properties"
            filed, other = self._tie(record, user, may_be_other=may_be_other)
            if may_be_other and other:
                mark |= MENTIONED
        self.rows.records.append(
            {
                "slot": slot,
                "line": line,
                "mark": mark | CHOSEN if chosen else mark,
                "time": record.time,
                "message": record.message_id,
                "digest": int.from_bytes(hashlib.md5(raw, usedforsecurity=False).digest()[:8]),
                "user_id": _compact(user.user_id),
                "anonymous_id": _compact(record.anonymous_id),
                "name": _compact(_name_of(record)),
                "filed": filed,
                "other": other,
                "topic": topic,
                "raw": None if record.message_id is not None else in_base64(raw),
                "packed": None if own is None else packed(*own),
            }
        )
        if self._keeps_lines:
            self.rows.raw.append((slot, raw))

    def _own(
        self, raw: bytes, record: Record, user: User, email_from: str | None, *, chosen: bool
    ) -> tuple[int, int | None, tuple[Any, ...] | None]:
        """Return the mark, what tells the record from others at a glance, and what is kept of it.

        Of a record that only its message counts of, nothing is kept.
        """
        if isinstance(record, Identify):
            topic = _topic(record.user_id, user.wootric_id, record.traits)
            return IDENTIFY, topic, (record.user_id, user.wootric_id, record.traits, record.parent)
        if isinstance(record, Track):
            if not chosen:
                return TRACK, None, None
            texts = record.event, record.user_id or "", user.email or "", user.phone or ""
            mark = TRACK | QUIET if self._is_quiet(raw, texts, record.properties) else TRACK
            event = email_from, tuple(user), record.anonymous_id, record.properties, record.event
            return mark, None, event
        if not chosen:
            return PAGE, None, None
        address = tuple(map(plain, page_address(record.name, record.properties, record.context)))
        shown = [each for each in (*address, user.email) if each]
        is_short = is_short_view(raw) or is_surely_short(shown, is_lent_more=True)
        view = email_from, tuple(user), record.anonymous_id, record.name, address
        return PAGE | QUIET if is_short else PAGE, None, view

    def _is_quiet(self, raw: bytes, texts: Sequence[str], properties: Fields) -> bool:
        """Tell whether there is nothing to warn of in a track record and the length of its call.

        Args:
            raw: its line.
            texts: what its call holds beside the properties.
            properties: the record's.
        """
        if not cannot_warn(properties, self._naming.amounts):
            return False
        if is_short_check(raw, properties):
            return True
        texts = (*texts, *properties, *map(str, properties.values()))
        return is_surely_short(texts, len(properties), is_lent_more=True)

    def _tie(self, record: Record, user: User, *, may_be_other: bool) -> tuple[str, str | None]:
        """Note what the ids of a record tie, unless they turn out to be several people's.

        Args:
            record: the record.
            user: whom it names.
            may_be_other: whether its email may be somebody else's, as in an invitation.

        Returns:
            The id that the record is filed under; and the id to file it under instead if the first names
            nobody or several people.
        """
        user_id, email, phone, wootric_id, _, _ = user
        # From the least sure to the surest, since the last is what a phone is said to be seen with.
        ids = [id_name(USER, user_id)] if user_id else []
        if wootric_id:
            ids.append(id_name(WOOTRIC, wootric_id))
        mentioned = None
        if email:
            name = _email_name(email)
            if may_be_other and ids:
                mentioned = name
            else:
                ids.append(name)
        if phone or self._links or not ids:
            self._hint(record, phone, ids)
        if user_id and email and isinstance(record, Identify):
            self._pair(CLAIM, ids[0], ids[-1])
        elif len(ids) > 1:
            self._pair(TIE, ids[0], ids[-1])
        if len(ids) > 2:  # noqa: PLR2004 - each with each, since any of them may be left out
            self._pair(TIE, ids[0], ids[1])
            self._pair(TIE, ids[1], ids[2])
        if mentioned:
            return ids[0], mentioned
        return ids[0], ids[-1] if len(ids) > 1 else None

    def _hint(self, record: Record, phone: str | None, ids: list[str]) -> None:
        """Note what a phone and an anonymous id were seen with; where there is no better, add them."""
        shared = [id_name(PHONE, phone)] if phone else []
        # A userId of nothing but blanks names nobody, but tells a visitor from others.
        visitor = record.anonymous_id or record.user_id
        if visitor and (self._links or not (ids or shared)):
            shared.append(id_name(ANONYMOUS, visitor))
        if not ids:
            # Where placeholders are all there is, nobody is named, and nothing tells one from others.
            ids.append(shared[0] if shared else id_name(ANONYMOUS, DIGEST))
        for each in shared:
            if each != ids[-1]:
                self._pair(HINT, each, ids[-1])

    def _pair(self, kind: int, one: str, other: str) -> None:
        self.rows.pairs[kind, one, other] = None


def _email_name(email: str) -> str:
    return id_name(EMAIL, comparable(email))


def _name_of(record: Record) -> str | None:
    """Return the event of a track record, the name of a page record; None of an identify."""
    if isinstance(record, Track):
        return record.event
    return None if isinstance(record, Identify) else record.name


def _compact(text: str | None) -> str | None:
    """Return what tells a text from others: itself, or a digest of a very long one."""
    if text is None or len(text) <= _LONGEST:
        return text
    return DIGEST + hashlib.blake2b(text.encode()).hexdigest()


def _topic(user_id: str | None, wootric_id: str | None, traits: Fields) -> int | None:
    """Return a hash that is equal for identifies of which each says again all that those before it said.

    None if an identify takes anything out, or names an end user of Wootric's.
    """
    values = traits.values()
    if wootric_id or None in values or "" in values:
        return None
    return hash((user_id, *traits))
