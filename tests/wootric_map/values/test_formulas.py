"""Texts that a spreadsheet would take for formulas."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.values.formulas import harmless, may_be_formula

BEGINS = "=+-@\t\r\n"


@given(st.text(alphabet="=+-@\t\r\n '0159.,()/eEaZ|!\ufeff\u200b\xa0"))
def test_what_is_made_harmless_is_no_formula_and_stays_so(text: str) -> None:
    made = harmless(text)
    assert not may_be_formula(made)
    assert harmless(made) == made
    assert made in (text, f"'{text}")


@given(st.text(alphabet="=@|!aZ'\"", min_size=1), st.sampled_from(BEGINS))
def test_whatever_has_a_letter_or_a_sign_of_a_call_in_it_is_one(rest: str, first: str) -> None:
    assert may_be_formula(first + rest)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_no_number_is_one(number: float) -> None:
    assert not may_be_formula(str(number))
    assert not may_be_formula(f"+{abs(number)}")


@pytest.mark.parametrize(
    "text", ["+" + "1" * 10**6 + "x", " " * 10**6 + "=", "-" * 10**6, "+1" * 10**6]
)
def test_a_megabyte_takes_no_time(text: str) -> None:
    began = time.perf_counter()
    may_be_formula(text)
    assert time.perf_counter() - began < 2
