"""The header of a CSV: one column a property, whatever the names are."""

from hypothesis import given
from hypothesis import strategies as st

from wootric_map.csv_rows import header
from wootric_map.values.formulas import may_be_formula

NAMES = st.sets(st.text(alphabet="'=a@-", min_size=1, max_size=4), max_size=12)


@given(NAMES)
def test_no_two_properties_share_a_column_and_none_is_a_formula(names: set[str]) -> None:
    columns = header(names, keeps_formulas=False)
    assert list(columns) == sorted(names)
    assert len(set(columns.values())) == len(names)
    for name, column in columns.items():
        assert not may_be_formula(column)
        assert column == name or column.lstrip("'") == name


@given(NAMES)
def test_kept_as_they_are_names_are_the_columns(names: set[str]) -> None:
    assert header(names, keeps_formulas=True) == {name: name for name in names}
