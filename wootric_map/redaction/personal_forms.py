"""Emails and phones that are told by their form alone, in any text, and what their spellings share."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple, TypeAlias

from wootric_map.redaction.plain_text import PlainText, may_be_coded
from wootric_map.values.contact import comparable

Form: TypeAlias = Literal["email", "phone"]

_NEVER: Final = r'\s"<>()\[\],;:→…\x00-\x1f\x7f'
"""What no email has in it that is written without quotes."""

# Each of these takes a text run by run and never looks at a character twice: no export can make
# them slow.
_WORD: Final = re.compile(
    rf"""
    "[^"\n]{{1,64}}"@(?:\[[0-9A-Za-z.:]{{2,64}}\]|[^{_NEVER}/?&=]+)
    | (?: [^{_NEVER}/?&=] | [/?&=](?=@) )+ (?: (?<=@)\[[0-9A-Za-z.:]{{2,64}}\] )?
    """,
    re.VERBOSE,
)
"""What an email would have to stand in alone; first the rare form `"Ada Lovelace"@example.com`."""
_PLAINEST: Final = re.compile(rf"[^{_NEVER}/@?&=]+@(?:\[[0-9A-Za-z.:]{{2,64}}\]|[^{_NEVER}/?&=]+)")
_EMAIL: Final = re.compile(r".@.", re.DOTALL)
_SLASHED: Final = re.compile(
    rf"(?<![^{_NEVER}])[^{_NEVER}/@?&=]++(?:/[^{_NEVER}/@?&=]++)++@[^{_NEVER}/@?&=]++"
)
"""`ada/lovelace@example.com`; behind another slash it may as well be a path that ends in an email."""
_WHOLE: Final = re.compile(
    rf'(?:"[^"\n]{{1,64}}"|[^{_NEVER}@]+)@(?:\[[0-9A-Za-z.:]{{2,64}}\]|[^{_NEVER}/?&=]+)'
)
_PATH: Final = re.compile(r"\A(?:[/.~]|\w+://)")
_PHONE: Final = re.compile(r"\+(?:[ \t\xa0().\-/\u2010-\u2015\u2212·]{0,3}\d){7,}")

_AROUND: Final = "'`*#!.{}"
"""What may stand around an email and is no part of it."""
_FILE_ENDING: Final = re.compile(
    r"(?:\.(?:ndjson|jsonl|jsonlines|njson|json|gz|csv|txt|log|plan|partial|lock|journal|db|sqlite)"
    r"|(?<=[a-z])-(?:wal|shm)|\.\d{1,3})+\Z",
    re.IGNORECASE,
)
"""What a file has behind an email in its name; no domain ends so."""
_DISPLAYED: Final = re.compile(r"(?:[^<>@]*<|mailto:)([^<>\s?@]+@[^<>\s?]+)>?\Z", re.IGNORECASE)
"""`Ada Lovelace <ada@example.com>`, as mail programs write it."""
_FIELD: Final = re.compile(r"(?:context\.)?(?:traits|properties)\.(?=[^@])")
_PUNYCODE: Final = "xn--"
_LONGEST_DOMAIN: Final = 253
_LONGEST: Final = 4096
"""Characters of a value that is looked at closely; what is longer is nobody's email or phone."""
_LONGEST_ENDING: Final = 40
"""Characters at the end of an email in which the end of a file name is looked for."""


_HIDDEN: Final = ("email:", "phone:", "name:")
"""What stands before the hash of a value that was hidden."""


class Personal(NamedTuple):
    """An email or a phone in a text that is read plainly."""

    begin: int
    end: int
    kind: Form
    is_certain: bool
    """Whether it ends and begins there for sure; else what is known besides may tell better."""


def personal_in(plain: PlainText) -> Iterator[Personal]:
    """Yield the emails, then the phones that begin with `+`, that stand in a text."""
    text = plain.text
    if "@" in text:
        yield from _emails(plain)
    if "+" in text:
        for phone in _PHONE.finditer(text):
            yield Personal(*phone.span(), "phone", is_certain=True)


def may_be_personal(text: str) -> bool:
    """Tell whether there may be an email or a phone in a plain text."""
    return "@" in text or ("+" in text and _PHONE.search(text) is not None)


def is_email(text: str) -> bool:
    """Tell whether a text is one email and nothing else, however it is written."""
    if len(text) > _LONGEST or not ("@" in text or may_be_coded(text)):
        return False
    plain = PlainText.of(text).text.strip()
    if "@" not in plain or not _EMAIL.search(plain):
        return False
    if _WORD.fullmatch(plain) is not None:
        return True
    return _WHOLE.fullmatch(plain) is not None and not _PATH.match(plain)


def is_told_by_form(email: str) -> bool:
    """Tell whether an email, in its canonical spelling, is found in any text, wherever it stands."""
    return "@" in email and "/" not in email and _PLAINEST.fullmatch(email) is not None


def is_phone(text: str) -> bool:
    """Tell whether a text is one phone that begins with `+`, and nothing else."""
    return len(text) <= _LONGEST and _PHONE.fullmatch(PlainText.of(text).text.strip()) is not None


def canonical_email(text: str) -> str:
    """Return what all spellings of an email share; of other text, what it is without case."""
    if len(text) > _LONGEST:
        return comparable(text)
    plain = PlainText.of(text).text.strip()
    displayed = _DISPLAYED.match(plain)
    email = comparable(displayed[1] if displayed else plain).strip(_AROUND)
    email = _without_file_ending(email)
    local, at, domain = email.rpartition("@")
    if len(local) > 2 and local[0] == local[-1] == '"':  # noqa: PLR2004 - two quotes
        local = local[1:-1]
    # No host has an underscore: the name of a property has them for dots and brackets.
    domain = domain.strip("[]_").replace("_", ".")
    if _PUNYCODE in domain and len(domain) <= _LONGEST_DOMAIN:
        domain = _of_punycode(domain)
    return f"{local}{at}{domain}"


def canonical_phone(text: str) -> str:
    """Return a phone's digits, however they are set apart; all of the text where there are none."""
    plain = PlainText.of(text).text if len(text) <= _LONGEST else text
    return digits_in(plain) or plain.strip()


def digits_in(text: str) -> str:
    """Return the digits of a text, of whatever script, as `0` to `9`."""
    found = "".join(filter(str.isdecimal, text))
    return found if found.isascii() else "".join(str(unicodedata.decimal(each)) for each in found)


def _emails(plain: PlainText) -> Iterator[Personal]:
    text, taken = plain.text, 0
    for match in _SLASHED.finditer(text):
        begin, end = match.span()
        after = text[end : end + 1]
        if after in ("/", ":", "@") or text[max(begin - 6, 0) : begin].endswith(_HIDDEN):
            continue
        if begin and _is_encoded(plain, begin - 1):
            continue  # it stands in a path that has blanks
        core = _core(match[0]).removeprefix(_field(match[0]))
        if _without_file_ending(core) != core:
            continue
        yield from _plain_emails(text, taken, begin)
        start = begin + match[0].index(core)
        yield Personal(start, start + len(core), "email", is_certain=False)
        taken = end
    yield from _plain_emails(text, taken, len(text))


def _is_encoded(plain: PlainText, at: int) -> bool:
    begin, end = plain.written_at(at, at + 1)
    return end - begin > 1


def _plain_emails(text: str, begin: int, end: int) -> Iterator[Personal]:
    for match in _WORD.finditer(text, begin, end):
        word = match[0]
        if "@" not in word or not _EMAIL.search(word):
            continue
        core = _core(word)
        core = _without_file_ending(core).removeprefix(_field(core))
        start = match.start() + word.index(core)
        is_certain = start == 0 or text[start - 1] not in "/&=?"
        yield Personal(start, start + len(core), "email", is_certain)


def _core(word: str) -> str:
    """A word without what stands around an email."""
    core = word.strip(_AROUND)
    return core if _EMAIL.search(core) else word  # it may be all marks before or behind the @


def _without_file_ending(email: str) -> str:
    ending = _FILE_ENDING.search(email, max(len(email) - _LONGEST_ENDING, 0))
    left = email[: ending.start()] if ending else email
    return left if _EMAIL.search(left) else email


def _field(word: str) -> str:
    """The beginning of a place in a record whose key is an email, as in `traits.ada@example.com`."""
    found = _FIELD.match(word)
    return found[0] if found else ""


def _of_punycode(domain: str) -> str:
    try:
        return domain.encode("ascii").decode("idna")
    except UnicodeError:
        return domain
