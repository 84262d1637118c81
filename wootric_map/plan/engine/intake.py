"""A part of a source → its records as a plan needs them: each under an id of its end user.

What comes of a part depends on nothing but the part, so that parts may be taken in side by side.
"""

import io
import marshal
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from wootric_map.mapping.calls import plain
from wootric_map.mapping.entries import ReadingOptions
from wootric_map.mapping.filters import Choice, not_chosen
from wootric_map.mapping.identity import User, any_user_of, user_of
from wootric_map.mapping.plain_properties import cannot_warn
from wootric_map.mapping.property_names import AS_WRITTEN, Kinds, Naming
from wootric_map.mapping.rewriting import Rewriting, names_suppressed
from wootric_map.mapping.settings import note_kinds, omitted, page_address
from wootric_map.model import MappingWarning, NamedRule, Rejection, Skip
from wootric_map.plan.earlier_rejects import REJECTED, KnownRejects, fingerprint, known_reject
from wootric_map.plan.engine.quick_identity import named_by_email, names_user_id_alone
from wootric_map.plan.engine.taken import (
    CHOSEN,
    EMAIL_IN_TRAITS,
    GROUP,
    IDENTIFY,
    KINDS,
    MENTIONED,
    PAGE,
    QUIET,
    SUPPRESSED,
    SURVEY,
    TRACK,
    UNFILED,
    Kept,
    StatedId,
    Taken,
    columns,
)
from wootric_map.plan.people import (
    ANONYMOUS,
    DIGEST,
    EMAIL,
    NO_TIME,
    PHONE,
    USER,
    WOOTRIC,
    id_name,
    shortened,
)
from wootric_map.plan.rolling_up import RollingUp, names_of_latest, omit_nothing, unfit_values
from wootric_map.read.exact_numbers import with_exact_numbers
from wootric_map.read.files import Source
from wootric_map.read.json_lines import parse, parse_roughly
from wootric_map.read.lines import read_lines
from wootric_map.read.ordinary_record import has_large_number, is_ordinary, ordinary
from wootric_map.read.record import (
    NO_FIELDS,
    ExternalId,
    Fields,
    Group,
    Identify,
    OptOut,
    Page,
    Reading,
    Record,
    Track,
    read_parsed,
)
from wootric_map.read.record_fields import type_named
from wootric_map.read.rejects_lines import is_rejects_line
from wootric_map.read.suppression import Suppression
from wootric_map.read.useless import unsupported
from wootric_map.report import Report
from wootric_map.values import dates
from wootric_map.values.contact import comparable
from wootric_map.wootric.address_length import is_short_check, is_short_view, is_surely_short

_MOST_DEVICES: Final = 10_000
"""anonymousIds of which it is remembered whether they are on a suppression list."""

_MOST_BYTES: Final = 16 * 1024 * 1024
"""What is taken in at once: a batch lends each of its elements a context, and so may grow large."""

_AnyUser: TypeAlias = tuple[str | None, str | None, str | None, str | None, int | None, str | None]
"""The fields of a `User`, which is one."""


@dataclass(frozen=True, slots=True)
class IntakeOptions:
    """How records are taken in."""

    reading: ReadingOptions
    choice: Choice
    """What is replayed."""
    link_anonymous: bool
    """Whether it matters what an anonymousId was seen with."""
    keep_lines: bool
    """Keep each record's line."""
    keep_rejected: bool
    """Keep the rejected records with their lines."""
    naming: Naming = AS_WRITTEN
    """How properties are named."""
    known_rejects: KnownRejects | None = None
    """What earlier runs rejected or saw refused, which is left out."""
    retries: bool = False
    """Try what is known once more all the same, as what comes from a rejects file is."""


def take_in(source: Source, options: IntakeOptions, *, after: int = 0) -> Taken:
    """Take the records in of a source, or of a part of one, that is a file or was read already.

    Args:
        source: what to read.
        options: how.
        after: the line after which to begin.
    """
    intake = Intake(source.name, options)
    return intake.taken(*read_into(intake, source, options, after=after))


def read_into(
    intake: "Intake", source: Source, options: IntakeOptions, *, after: int = 0
) -> tuple[int, int | None]:
    """Hand each record of a source, or of a part of one, to an intake.

    Args:
        intake: takes the records.
        source: a file, or a part that was read already.
        options: how records are taken in.
        after: the line after which to begin.

    Returns:
        How many lines there are; and the line after which reading stopped because `intake` has grown large,
        or None.
    """
    reading = options.reading
    rules, traits_from = reading.rules, reading.traits_from
    placeholders = rules.unusual_ids
    passed_over, known = options.choice.passed_over, options.known_rejects
    suppresses = bool(reading.suppression)
    if suppresses:
        passed_over = frozenset()  # what is not replayed may tell an id of somebody on a list
    # Who is on a suppression list is known once it is known whose each id is.
    rewriting = Rewriting(reading.configured)
    number, stopped_after = 0, None
    lines = read_lines(source, stdin=io.BytesIO(), max_line_bytes=reading.max_line_bytes)
    for _, number, _, content in lines:
        if number <= after or stopped_after is not None:
            continue
        if not isinstance(content, bytes):
            if isinstance(content, Rejection):
                intake.reject(number, content, b"")
            else:
                intake.warn(number, content)
            continue
        data = parse_roughly(content)
        if passed_over and (kind := type_named(data)) in passed_over:
            intake.pass_over(number, kind)
        elif not is_ordinary(data, traits_from, placeholders) or has_large_number(data):
            data = with_exact_numbers(content, data)
            retries = options.retries or is_rejects_line(data)
            for raw, found in read_parsed(content, data, rules):
                is_suppressed = suppresses and intake.note_named(found)
                each = rewriting.of(found)
                if passed_over and (kind := _type_of(raw, each)) in passed_over:
                    intake.pass_over(number, kind)
                elif (
                    known
                    and (state := known.state_of(raw)) is not None
                    and intake.leave_out_known(number, raw, each, state, retries=retries)
                ):
                    pass
                else:
                    fitted = lines.fitted(each, number) if isinstance(each, Rejection) else each
                    intake.take(number, raw, fitted, is_suppressed=is_suppressed)
        elif (
            known
            and (state := known.state_of(content)) is not None
            and intake.leave_out_known(
                number, content, rewriting.of(ordinary(data)), state, retries=options.retries
            )
        ):
            pass
        elif rewriting.concerns(data) or not intake.add_quickly(number, content, data):
            record = ordinary(data)
            is_suppressed = suppresses and intake.note_named(record)
            rewritten = rewriting.of(record)
            intake.take(number, content, rewritten, is_suppressed=is_suppressed)
        if intake.size > _MOST_BYTES:
            stopped_after = number
    intake.note_met(rewriting.met)
    return number, stopped_after


class Intake:
    """What was taken in of a part so far.

    A subclass may keep something else of each record: it overrides `_keep`.
    """

    def __init__(self, source: str, options: IntakeOptions) -> None:
        self.size = 0
        """Bytes of all records, each as a line of its own."""
        self._source = source
        self._options = options
        self._quick_types = frozenset() if options.link_anonymous else options.choice.timed_types
        self._takes_time = options.choice.takes_time
        self._report = Report()
        self._rejected: list[tuple[int, Rejection, bytes]] = []
        self._retried: list[bytes] = []
        self._aliases: list[tuple[str, str, int]] = []
        self._has_tracks = False
        self._has_surveys = False
        self._has_mentions = False
        self._names: dict[str, int] = {}
        self._claims: dict[tuple[int, int], None] = {}
        self._withheld: dict[tuple[int, int], None] = {}
        self._external_ids: dict[tuple[int, int, str, bool], int] = {}
        self._external_id_from = options.reading.configured.identity.external_id_from
        self._ties: dict[tuple[int, int], None] = {}
        self._hints: dict[tuple[int, int], None] = {}
        self._records: list[bytes] = []
        self._others: list[int] = []
        self._facts: list[tuple[int, ...]] = []
        self._raw: list[bytes] = []
        self._suppression = options.reading.suppression
        self._suppresses = bool(self._suppression)
        self._suppressed: dict[int, None] = {}
        self._named: dict[tuple[int, int], None] = {}
        self._suppressed_devices: dict[str | None, bool] = {}
        self._naming = options.naming
        self._rounds = options.naming.amounts
        self._kinds = Kinds()
        self._rolled = RollingUp(options.reading.configured).rolled

    def reject(self, line: int, rejection: Rejection, raw: bytes) -> None:
        """Take note of a rejected record."""
        self._report.records += 1
        self._report.reject(self._source, line, rejection)
        if self._options.keep_rejected:
            self._rejected.append((line, rejection, raw))

    def note_met(self, rules: set[NamedRule]) -> None:
        """Take note of the user's rules that something had."""
        self._report.met_rules |= rules

    def _note_rolled(self, line: int, event: str, properties: Fields) -> None:
        """Take note that an event is rolled up, and of values in it whose type is wrong for that."""
        self._report.met_rules.add(NamedRule("event", event))
        rolled = self._rolled[event]
        if self._naming.renames:
            self._kinds.see(names_of_latest(rolled, properties), omit_nothing)
        for warning in unfit_values(rolled, properties):
            self._report.warn(self._source, line, warning)

    def warn(self, line: int, warning: MappingWarning) -> None:
        """Take note of a warning about the source, which is no record."""
        self._report.warn(self._source, line, warning)

    def skip(self, line: int, skip: Skip) -> None:
        """Take note of a skipped record, and of what an alias among them says."""
        self._report.records += 1
        self._report.skip(self._source, line, skip)
        self._report.warn_of_record(self._source, line, skip.warnings)
        if skip.ties:
            self._aliases.append((*skip.ties, line))
        if skip.withheld is not None:
            user = user_of(skip.withheld).user
            if user.user_id and user.email:
                claim = self._id(USER, user.user_id), self._id(EMAIL, comparable(user.email))
                self._withheld[claim] = None
            said = skip.withheld.external_id
            if said and said.text:
                own = [self._id(USER, user.user_id)] if user.user_id else []
                own += [self._id(EMAIL, comparable(user.email))] if user.email else []
                if own:
                    stated = own[0], own[-1], shortened(said.text), True
                    self._external_ids.setdefault(stated, line)

    def pass_over(self, line: int, kind: str) -> None:
        """Take note of a record of a type that is left out, and at which nobody looked any further."""
        takes_groups = self._options.reading.configured.group_prefix is not None
        is_of_use = kind in KINDS or (kind == "group" and takes_groups)
        self.skip(line, not_chosen(kind) if is_of_use else unsupported(kind))

    def leave_out_known(
        self, line: int, raw: bytes, reading: Reading, state: int, *, retries: bool
    ) -> bool:
        """Leave a record out that an earlier run rejected or saw refused, unless it is tried once more.

        Args:
            line: where it stands.
            raw: its own line.
            reading: what it was read as.
            state: what became of it, as `KnownRejects.state_of` tells.
            retries: whether it is to be tried once more; that is noted.

        Returns:
            Whether it is left out.
        """
        known = self._options.known_rejects
        if known is None or isinstance(reading, Skip):
            return False
        is_wrong = isinstance(reading, Rejection)
        if retries or (state == REJECTED and not is_wrong):
            self._retried.append(fingerprint(raw, known.secret))
            return False
        if isinstance(reading, Rejection):
            self.skip(line, known_reject("record", state))
        else:
            self.add(line, raw, reading, left_out=known_reject(reading.type, state))
        return True

    def take(self, line: int, raw: bytes, reading: Reading, *, is_suppressed: bool) -> None:
        """Take note of a record, whatever became of it.

        Args:
            line: where it stands.
            raw: its own line.
            reading: what became of it.
            is_suppressed: whether it names somebody on a suppression list.
        """
        if isinstance(reading, Rejection):
            self.reject(line, reading, raw)
        elif isinstance(reading, Skip):
            self.skip(line, reading)
        else:
            self.add(line, raw, reading, is_suppressed=is_suppressed)

    def note_named(self, reading: Reading) -> bool:
        """Note which ids a record ties, whatever becomes of it, to find people on suppression lists by them.

        Args:
            reading: the record as it was read, before the user's rules.

        Returns:
            Whether the record itself names somebody on a list.
        """
        record = reading.withheld if isinstance(reading, Skip) else reading
        if record is None or isinstance(record, Rejection):
            return False
        named = any_user_of(record)
        user = named.user
        ids = [
            self._id(kind, text)
            for kind, text in (
                (USER, user.user_id),
                (EMAIL, None if named.may_be_other else comparable(user.email)),
                (PHONE, user.phone),
                (WOOTRIC, user.wootric_id),
            )
            if text
        ]
        self._named.update(((ids[0], other), None) for other in ids[1:])
        return names_suppressed(record, user, self._suppression)

    def add(
        self,
        line: int,
        raw: bytes,
        record: Record,
        *,
        left_out: Skip | None = None,
        is_suppressed: bool = False,
    ) -> None:
        """Take a record; one that is not chosen serves to know who is who, or is met again later.

        Args:
            line: where it stands.
            raw: its own line.
            record: the record.
            left_out: why it is left out, whatever is chosen.
            is_suppressed: whether it names somebody on a suppression list.
        """
        self._report.records += 1
        chosen = left_out is None and self._options.choice.takes(record)
        if not chosen:
            self._report.skip(self._source, line, left_out or not_chosen(record.type))
        if self._options.choice.events and isinstance(record, Track):
            self._report.met_events.update(self._options.choice.patterns_of(record.event))
        user, email_from, warnings = self._user(record)
        self._report.warn_of_record(self._source, line, warnings)
        if self._naming.renames:
            note_kinds(record, self._kinds)
        if (
            chosen
            and isinstance(record, Track)
            and not record.survey
            and record.event in self._rolled
        ):
            self._note_rolled(line, record.event, record.properties)
        mark, topic, payload = self._told_by(record, user, email_from, raw, chosen=chosen)
        number, other = UNFILED, -1
        if payload:
            may_be_other = email_from == "properties"
            number, other = self._tie(record, user, may_be_other=may_be_other)
            if is_suppressed:
                mark |= SUPPRESSED
            if may_be_other and other >= 0:
                mark |= MENTIONED
                self._has_mentions = True
            said = record.external_id if isinstance(record, Identify) else None
            if said and said.text:
                self._external_ids.setdefault((number, other, shortened(said.text), False), line)
        elif record.message_id is None:
            return
        if chosen:
            mark |= CHOSEN
        content = hash(contents(record.type, user.user_id, record.anonymous_id, _name_of(record)))
        facts = line, record.time, record.message_id, content, mark, number
        self._keep(raw, facts, topic, payload, user, other)

    def _event(
        self, raw: bytes, record: Track | Page, user: User, email_from: str | None
    ) -> tuple[int, Any, Any]:
        """Return the mark, topic and payload of a track or page record that is replayed."""
        mark = _mark_of(record)
        if isinstance(record, Page):
            name = record.sent_as or record.name
            topic = address(name, record.properties, record.context)
            if _is_short_page(raw, (*topic, user.email)):
                mark |= QUIET
            return mark, topic, (email_from, tuple(user), _ids_of_key(record), record.name)
        of_user = email_from, tuple(user), _ids_of_key(record)
        if record.survey:
            self._has_surveys = True
            return mark, None, (*of_user, tuple(record.survey), record.event)
        self._has_tracks = True
        event = record.sent_as or record.event
        texts = event, record.user_id or "", user.email or "", user.phone or ""
        if self._is_quiet(raw, texts, record.properties):
            mark |= QUIET
        renamed = (record.event,) if record.sent_as else ()
        return mark, event, (*of_user, record.properties, *renamed)

    def _told_by(
        self, record: Record, user: User, email_from: str | None, raw: bytes, *, chosen: bool
    ) -> tuple[int, Any, Any]:
        """Return the mark of a record, and its topic and payload as in `Kept`; None for what is not kept.

        Args:
            record: the record.
            user: whom it names.
            email_from: where their email stands.
            raw: its own line.
            chosen: whether it is chosen.
        """
        if isinstance(record, Identify):
            opt_out, said = record.opt_out, record.external_id
            topic = _topic(record.user_id, user.wootric_id, record.traits, opt_out, said)
            payload = record.user_id, user.wootric_id, record.traits, record.parent
            more: tuple[Any, ...] = (tuple(opt_out),) if opt_out else ()
            if said:
                more = tuple(opt_out) if opt_out else None, tuple(said)
            return IDENTIFY, topic, (*payload, *more)
        if isinstance(record, Group):
            mark = IDENTIFY | GROUP
            of_group: tuple[Any, ...] = record.user_id, None, NO_FIELDS, "traits", record.own
            if self._external_id_from:
                of_group = (*of_group, tuple(ExternalId(self._external_id_from)))
            return (mark, record.group_id, of_group) if chosen else (mark, None, None)
        return (
            self._event(raw, record, user, email_from) if chosen else (_mark_of(record), None, None)
        )

    def add_quickly(self, line: int, raw: bytes, data: dict[str, Any]) -> bool:
        """`add` the record of which `is_ordinary` says yes, if it tells of its user no more than most do.

        Any doubt gives False, with nothing added.
        """
        kind, user_id, message = data["type"], data["userId"], data.get("messageId")
        if kind not in self._quick_types or not message:
            return False
        time = dates.parse_common(data["timestamp"])
        if not self._takes_time(time):
            return False
        context = data.get("context") or NO_FIELDS
        anonymous_id = data.get("anonymousId") or None
        topic: Any
        payload: Any
        user: _AnyUser
        name: str | None = None
        other = -1
        if kind == "identify":
            mark, traits = IDENTIFY | CHOSEN, data.get("traits") or NO_FIELDS
            named = named_by_email(user_id, context, traits)
            if named is None:
                return False
            user = named
            topic = _topic(user_id, None, traits, None)
            payload = user_id, None, traits, "traits"
            number, other = self._id(USER, user_id), self._id(EMAIL, comparable(named.email))
            self._claims[number, other] = None
            if self._naming.renames:
                self._kinds.see(traits, omitted(has_user_id=True))
        else:
            properties = data.get("properties") or NO_FIELDS
            if not names_user_id_alone(user_id, context, properties):
                return False
            user = user_id, None, None, None, None, None
            if kind == "track":
                self._has_tracks = True
                if self._naming.renames:
                    self._kinds.see(properties, omitted(has_user_id=False))
                topic = name = data["event"]
                payload = None, user, anonymous_id, properties
                is_quiet = self._is_quiet(raw, (topic, user_id), properties)
                mark = TRACK | CHOSEN | QUIET if is_quiet else TRACK | CHOSEN
            else:
                name = data.get("name") or None
                payload = None, user, anonymous_id, name
                topic = address(name, properties, context)
                mark = PAGE | CHOSEN | QUIET if _is_short_page(raw, topic) else PAGE | CHOSEN
            number = self._id(USER, user_id)
        if self._suppressed and (number in self._suppressed or other in self._suppressed):
            mark |= SUPPRESSED
        if self._suppresses and anonymous_id and self._is_suppressed_device(anonymous_id):
            mark |= SUPPRESSED
        if kind == "track" and topic in self._rolled:
            self._note_rolled(line, topic, properties)
        self._report.records += 1
        content = hash((kind, user_id, anonymous_id, name))  # as `contents` gives it
        self._keep(raw, (line, time, message, content, mark, number), topic, payload, user, other)
        return True

    def _is_quiet(self, raw: bytes, texts: Sequence[str], properties: Fields) -> bool:
        """Whether there is nothing to warn of in a track record's properties and the length of its call.

        Args:
            raw: its line.
            texts: what its call holds beside the properties.
            properties: the record's.
        """
        if not cannot_warn(properties, self._rounds):
            return False
        if is_short_check(raw, properties):
            return True
        texts = (*texts, *properties, *map(str, properties.values()))
        return is_surely_short(texts, len(properties), is_lent_more=True)

    def _user(self, record: Record) -> tuple[User, str | None, Sequence[MappingWarning]]:
        """Whom a record names, where their email stands, and the warnings about the record alone."""
        elsewhere = None
        if isinstance(record, Track | Page) and record.has_email_elsewhere:
            elsewhere = EMAIL_IN_TRAITS
        named = user_of(record)
        if isinstance(record, Group):
            # A group call names its user by nothing but a userId or an anonymousId.
            named = named._replace(user=named.user._replace(wootric_id=None))
        email_from = named.email_from if named.user.email else elsewhere
        return named.user, email_from, [*record.warnings, *named.warnings]

    def _keep(
        self,
        raw: bytes,
        facts: tuple[int, int | None, str | None, int, int, int],
        topic: Any,
        payload: Any,
        user: _AnyUser,
        other: int,
    ) -> None:
        """Keep what there is of a record, and its facts in the columns.

        Args:
            raw: its line.
            facts: its line number, its time, its message id, a hash of what else a repeat shares, its
                mark, and the id it is filed under.
            topic: as in `Kept`.
            payload: as in `Kept`, not packed yet.
            user: whom it names, for subclasses.
            other: an id to file it under if the first names nobody or several people, or -1.
        """
        line, time, message, content, mark, number = facts
        if time is None:
            time = NO_TIME
        digest = 0
        if message is None:
            self._facts.append((0, 0, 0, 0, time, line, number, mark))
        else:
            check = zlib.crc32(message.encode())
            digest = zlib.crc32(raw)
            told = hash(message) or 1, check, content, digest, time, line, number, mark
            self._facts.append(told)
        record = b""
        if number != UNFILED:
            has_message, tie = (False, raw) if message is None else (True, message)
            at, packed = len(self._records), marshal.dumps(payload, 2)
            kept: Kept = (time, has_message, tie, mark, line, at, topic, packed, digest)
            record = marshal.dumps(kept, 2)
        self._records.append(record)
        self._others.append(other)
        self.size += len(raw)
        if self._options.keep_lines:
            self._raw.append(raw)

    def taken(self, lines: int, stopped_after: int | None) -> Taken:
        """What it all came to."""
        return Taken(
            self._report,
            lines,
            stopped_after,
            self._rejected,
            self._aliases,
            self._has_tracks,
            self._has_surveys,
            list(self._names),
            list(self._claims),
            list(self._withheld),
            list(self._ties),
            list(self._hints),
            array("i", self._others),
            self._has_mentions,
            array("I", map(len, self._records)),
            b"".join(self._records),
            columns(self._facts, map(len, self._raw)),
            b"".join(self._raw),
            list(self._suppressed),
            list(self._named),
            self._kinds.masks,
            self._retried,
            [StatedId(*key, line) for key, line in self._external_ids.items()],
        )

    def _tie(self, record: Record, user: User, *, may_be_other: bool) -> tuple[int, int]:
        """Note what the ids of a record tie, unless they turn out to be several people's.

        Args:
            record: the record.
            user: whom it names.
            may_be_other: whether its email may be somebody else's, as in an invitation.

        Returns:
            The id that the record is filed under; and the id to file it under instead if the first names
            nobody or several people, or -1.
        """
        user_id, email, phone, wootric_id, _, _ = user
        # From the least sure to the surest, since the last is what a phone is said to be seen with.
        ids = [self._id(USER, user_id)] if user_id else []
        if wootric_id:
            ids.append(self._id(WOOTRIC, wootric_id))
        mentioned = -1
        if email:
            number = self._id(EMAIL, comparable(email))
            if may_be_other and ids:
                mentioned = number
            else:
                ids.append(number)
        if phone or self._options.link_anonymous or not ids:
            self._hint(record, phone, ids)
        if user_id and email and isinstance(record, Identify):
            self._claims[ids[0], ids[-1]] = None
        elif len(ids) > 1:
            self._ties[ids[0], ids[-1]] = None
        if len(ids) > 2:  # noqa: PLR2004 - each with each, since any of them may be left out
            self._ties[ids[0], ids[1]] = self._ties[ids[1], ids[2]] = None
        if mentioned >= 0:
            return ids[0], mentioned
        return ids[0], ids[-1] if len(ids) > 1 else -1

    def _hint(self, record: Record, phone: str | None, ids: list[int]) -> None:
        """Note what a phone and an anonymous id were seen with; where there is no better, add them."""
        links = self._options.link_anonymous
        shared = [self._id(PHONE, phone)] if phone else []
        # A userId of nothing but blanks names nobody, but tells a visitor from others.
        visitor = record.anonymous_id or record.user_id
        if visitor and (links or not (ids or shared)):
            shared.append(self._id(ANONYMOUS, visitor))
        if not ids:
            # Where placeholders are all there is, nobody is named, and nothing tells one from others.
            ids.append(shared[0] if shared else self._id(ANONYMOUS, DIGEST))
        for each in shared:
            if each != ids[-1]:
                self._hints[each, ids[-1]] = None

    def _id(self, kind: int, text: str) -> int:
        count = len(self._names)
        number = self._names.setdefault(id_name(kind, text), count)
        if self._suppresses and number == count and is_suppressed(kind, text, self._suppression):
            self._suppressed[number] = None
        return number

    def _is_suppressed_device(self, anonymous_id: str) -> bool:
        found = self._suppressed_devices.get(anonymous_id)
        if found is None:
            found = self._suppression.has_id(anonymous_id)
            if len(self._suppressed_devices) < _MOST_DEVICES:
                self._suppressed_devices[anonymous_id] = found
        return found


def is_suppressed(kind: int, text: str, suppression: Suppression) -> bool:
    """Tell whether an id is on a suppression list.

    Args:
        kind: its kind, as in `people`.
        text: the id.
        suppression: the people on the lists.
    """
    if kind == EMAIL:
        return suppression.has_email(text)
    if kind == PHONE:
        return suppression.has_phone(text)
    # A number of Wootric's may be anybody's userId.
    return kind != WOOTRIC and suppression.has_id(text)


def _ids_of_key(record: Track | Page) -> str | tuple[str | None, str | None] | None:
    """Return what a record's key holds: its `anonymousId` beside the `userId`; or, if they differ, both."""
    return record.known_as or record.anonymous_id


def contents(
    kind: str, user_id: str | None, anonymous_id: str | None, name: str | None
) -> tuple[str | None, ...]:
    """What the repeat of a message has in common with it beside the `messageId` (segment.md 2, `duplicate`).

    Args:
        kind: the record's type.
        user_id: the record's userId.
        anonymous_id: the record's anonymousId.
        name: the event of a track record, the name of a page record.
    """
    return kind, user_id, anonymous_id, name


def _mark_of(record: Track | Page) -> int:
    """Return the kind of a track or page record."""
    if isinstance(record, Page):
        return PAGE
    return SURVEY if record.survey else TRACK


def _name_of(record: Record) -> str | None:
    """The event of a track record, the name of a page record, the group of a group call; else None."""
    if isinstance(record, Track):
        return record.event
    if isinstance(record, Group):
        return record.group_id
    return None if isinstance(record, Identify) else record.name


def _type_of(raw: bytes, reading: Reading) -> str | None:
    """The type of a record, also of one that was rejected, if it names any."""
    return type_named(parse(raw)) if isinstance(reading, Rejection) else reading.type


def _topic(
    user_id: str | None,
    wootric_id: str | None,
    traits: Fields,
    opt_out: OptOut | None,
    said: ExternalId | None = None,
) -> int | None:
    """What identifies have in common of which each says again all that those before it said: a hash.

    None if it takes anything out, or names an end user of Wootric's.
    """
    values = traits.values()
    if wootric_id or None in values or "" in values:
        return None
    if said and said.is_stated:
        if said.text is None:
            return None
        user_id = (
            f"{user_id or ''}\0"  # whoever states an external id does not say what the others say
        )
    return hash((user_id, *traits) if opt_out is None else (user_id, *traits, opt_out.rule, 0))


def address(name: str | None, properties: Fields, context: Fields) -> tuple[str | None, ...]:
    """A page's url, name and path, as a page view has them."""
    return tuple(
        # Nearly always they are texts that say something.
        [
            each if type(each) is str and each else plain(each)
            for each in page_address(name, properties, context)
        ]
    )


def _is_short_page(raw: bytes, address: tuple[str | None, ...]) -> bool:
    """Whether there is nothing to warn of in the length of a page view's address."""
    return is_short_view(raw) or is_surely_short(
        [each for each in address if each], is_lent_more=True
    )
