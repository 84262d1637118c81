"""The cells of a CSV of end users: an email, and a column for each property (wootric.md 8)."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from wootric_map.deliver.csv_end_users import Omission, email_in_csv, omission
from wootric_map.diff import EndUserChange
from wootric_map.values.formulas import MARK, harmless, may_be_formula

EMAIL: Final = "email"
"""The name of the first column."""

NO_COLUMNS: Final = ("external_id", "phone_number", "external_created_at")
"""The fields of an end user that are no properties, so that a CSV, whose columns are properties, has no
place for them."""


class CsvRow(NamedTuple):
    """An end user as a CSV tells of them, or why it does not."""

    email: str
    """The first cell; of an end user who is left out, what they are called: an email, phone or id."""
    cells: Mapping[str, str]
    """The text of each property's cell, by the property's name."""
    made_harmless: tuple[str, ...]
    """The properties whose cells would be taken for formulas without the mark before them."""
    without_column: tuple[str, ...]
    """The fields in `NO_COLUMNS` that have a value."""
    is_update: bool
    """Whether Wootric holds the end user already."""
    omission: Omission | None
    """Why the end user is left out; None if they are not."""
    surveys_off: bool = False
    """Whether a push turns surveys off for the end user, which no CSV can."""
    is_written: bool = True
    """Whether a push creates or updates the end user; else it turns surveys off alone."""


def csv_row(change: EndUserChange, *, keeps_formulas: bool) -> CsvRow:
    """Return the row of an end user who is to be created or updated.

    All properties that are planned for them are in it, also those that Wootric holds already: whether an
    import leaves alone what a row does not have is not known.

    Args:
        change: the end user.
        keeps_formulas: whether cells stay as they are that a spreadsheet would take for formulas.
    """
    row = _row_of(change, keeps_formulas=keeps_formulas)
    if change.surveys_off is None:
        return row
    return row._replace(surveys_off=True, is_written=change.action != "surveys_off")


def _row_of(change: EndUserChange, *, keeps_formulas: bool) -> CsvRow:
    """Return the row of an end user, whatever they want about surveys; arguments as in `csv_row`."""
    wanted = change.wanted
    out = omission(wanted, change.fields, change.held, keeps_formulas=keeps_formulas)
    email = email_in_csv(wanted, change.held)
    if out or email is None:
        name = email or wanted.phone_number or wanted.external_id or wanted.wootric_id
        return CsvRow(name or "", {}, (), (), change.is_update, out)
    # A number is no text: its sign begins no formula.
    texts = {name: each for name, each in wanted.properties.items() if isinstance(each, str)}
    marked = () if keeps_formulas else tuple(name for name in texts if may_be_formula(texts[name]))
    cells = {name: str(each) for name, each in wanted.properties.items()}
    cells |= {name: f"{MARK}{texts[name]}" for name in marked}
    fields = tuple(each for each in NO_COLUMNS if getattr(wanted, each) is not None)
    return CsvRow(email, cells, marked, fields, change.is_update, None)


def header(names: Iterable[str], *, keeps_formulas: bool) -> dict[str, str]:
    """Return the name of each column behind the first, by the property's name, in alphabetical order.

    Args:
        names: the names of the properties.
        keeps_formulas: whether names stay as they are that a spreadsheet would take for formulas.
    """
    ordered = sorted(names)
    if keeps_formulas:
        return {name: name for name in ordered}
    taken = {name for name in ordered if harmless(name) == name}
    columns = {}
    for name in ordered:
        column = harmless(name)
        while column != name and column in taken:
            column = f"{MARK}{column}"
        taken.add(column)
        columns[name] = column
    return columns


def cells_of(email: str, cells: Mapping[str, str], columns: Iterable[str]) -> Sequence[str]:
    """Return a row's cells in the order of the columns; a property that the end user lacks is empty."""
    return [email, *map(partial(_cell, cells), columns)]


def _cell(cells: Mapping[str, str], name: str) -> str:
    return cells.get(name, "")
