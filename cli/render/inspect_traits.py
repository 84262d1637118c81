"""The text about the traits of an inspection."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cli.render.page import GAP, Page
from cli.render.text import plural, printable, quoted, styled
from cli.wrapping import columns
from wootric_map.inspection.distinct import EXACT
from wootric_map.inspection.inspection import Inspection, TraitFacts

_TRAITS: Final = 100
"""Traits that are shown."""
_NAMES: Final = 15
"""Names of traits that are shown in a list."""
_LISTED: Final = 60
"""Characters of a trait's name in a list of names."""
_EMPTY: Final = '""'
"""What is shown of an empty name."""
_TYPES: Final = {"list_of_objects": "object list"}
_LOOKS: Final = {
    "ip_address": "IP address",
    "birth_date": "date of birth",
    "card": "payment card",
    "bank_account": "bank account",
    "id_number": "ID number",
}


@dataclass(frozen=True, slots=True)
class _Row:
    """A trait as it is shown."""

    mark: str
    name: str
    filled: str
    distinct: str
    types: str
    becomes: str
    examples: str


def trait_lines(found: Inspection, page: Page) -> Iterator[str]:
    """Yield the lines about the traits of end users."""
    if not found.traits:
        return
    yield ""
    total = len(found.traits) + found.more_traits
    identified = plural(found.end_users.identified, "end user that has", "end users that have")
    about = "" if found.is_more_traits_exact else "about "
    yield styled(f"Traits: {about}{total:,}", bold=True) + f" (of {identified} an identify)"
    yield from _trait_table(found.traits, total, about, page)


def group_trait_lines(found: Inspection, page: Page) -> Iterator[str]:
    """Yield the lines about the traits of groups."""
    if not found.group_traits:
        return
    total, records = len(found.group_traits), plural(found.types.get("group", 0), "group record")
    yield ""
    yield styled(f"Group traits: {total:,}", bold=True) + f" (of {records})"
    yield from _trait_table(found.group_traits, total, "", page)


def _trait_table(traits: Sequence[TraitFacts], total: int, about: str, page: Page) -> Iterator[str]:
    """Yield the lines of traits; `total` is how many there are, `about` tells if that is an estimate."""
    # The fullest first, so that what is hidden is the rarest.
    ordered = sorted(traits, key=lambda each: (-each.fill_rate, each.name))[:_TRAITS]
    yield from _table([_row(each) for each in ordered], page)
    hidden = total - len(ordered)
    if hidden:
        yield f"  {page.cut} and {about}{hidden:,} more; --format json has most of them"
    if not all(each.is_distinct_exact for each in ordered):
        yield f"  ~ about: more than {EXACT - 1:,} values are estimated, give or take 3 %"
    yield from _marked(traits)
    by_code: dict[str, list[str]] = {}
    for each in traits:
        for code in each.warnings:
            by_code.setdefault(code, []).append(each.name)
    for code, names in sorted(by_code.items()):
        yield f"  {styled(code, fg='yellow')}: {_listed(names)}"


def _marked(traits: Sequence[TraitFacts]) -> Iterator[str]:
    secret = [each.name for each in traits if each.looks_like == "secret"]
    if secret:
        yield f"  {styled('! Looks secret', fg='red')}, values are never shown: {_listed(secret)}"
    personal = [
        f"{printable(each.name, _LISTED)} ({_LOOKS.get(each.looks_like, each.looks_like)})"
        for each in traits
        if each.looks_like and each.looks_like != "secret"
    ]
    if personal:
        yield f"  {styled('* Looks personal', fg='yellow')}: {_listed(personal)}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _NAMES
    shown = [printable(each, _LISTED) or _EMPTY for each in names[:_NAMES]]
    return ", ".join([*shown, f"{more:,} more"] if more > 0 else shown)


def _row(trait: TraitFacts) -> _Row:
    examples = map(quoted, trait.examples)
    types = " or ".join(_TYPES.get(each, each) for each in trait.types)
    about = "" if trait.is_distinct_exact else "~"
    is_secret = trait.looks_like == "secret"
    otherwise = "(flattened)" if "object" in trait.types else "(not sent)"
    return _Row(
        "!" if is_secret else "*" if trait.looks_like else " ",
        printable(trait.name) or _EMPTY,
        _percent(trait.fill_rate),
        f"{about}{trait.distinct:,}",
        types,
        ", ".join(printable(each.name) for each in trait.becomes) or otherwise,
        ", ".join(examples),
    )


def _percent(rate: float) -> str:
    """Return a share as a percentage; 0 % and 100 % are exact."""
    if 0 < rate < 0.005:  # noqa: PLR2004 - what would be rounded to 0 %
        return "<1%"
    if 0.995 <= rate < 1:  # noqa: PLR2004 - what would be rounded to 100 %
        return ">99%"
    return f"{rate:.0%}"


_HEADER: Final = _Row(" ", "Trait", "Filled", "Values", "Type", "In Wootric", "Examples")


_SHARES: Final = (("name", 28), ("types", 17), ("becomes", 28))
"""Columns whose width depends on what is in them, and the percentages of the width that each may take."""
_SHARES_WITHOUT_EXAMPLES: Final = (("name", 41), ("types", 18), ("becomes", 41))
"""What each may take if examples have lines of their own."""
_NARROW: Final = 90
"""Columns of a page on which examples have lines of their own if it has less."""


def _table(rows: Sequence[_Row], page: Page) -> Iterator[str]:
    """Yield the lines of the traits, none wider than the page."""
    is_narrow = page.width < _NARROW
    all_rows = [_HEADER, *rows]
    filled, distinct = (
        max(len(getattr(each, name)) for each in all_rows) for name in ("filled", "distinct")
    )
    gaps = 4 if is_narrow else 5
    room = page.width - filled - distinct - 2 - gaps * len(GAP)
    name, types, becomes = (
        min(max(columns(getattr(each, of)) for each in all_rows), room * share // 100)
        for of, share in (_SHARES_WITHOUT_EXAMPLES if is_narrow else _SHARES)
    )
    for nth, row in enumerate(all_rows):
        cells = [
            f"{row.mark} {page.fitted(row.name, name)}",
            f"{row.filled:>{filled}}",
            f"{row.distinct:>{distinct}}",
            page.fitted(row.types, types),
            page.fitted(row.becomes, becomes),
        ]
        if not is_narrow:
            cells.append(page.fitted(row.examples, room - name - types - becomes))
        line = GAP.join(cells).rstrip()
        yield styled(line, dim=True) if nth == 0 else line
        if is_narrow and row.examples:
            example = "      " + page.fitted(row.examples, page.width - 6).rstrip()
            yield styled(example, dim=True)
