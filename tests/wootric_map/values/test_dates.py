"""Segment's dates: segment.md, section 5."""

import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from email.utils import formatdate

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wootric_map.values.dates import is_plausible, parse, parse_iso_day, unix_seconds

NEW_YEAR_2015 = 1420070400  # 2015-01-01T00:00:00Z


def seconds(value: object) -> int | None:
    milliseconds = parse(value)
    return None if milliseconds is None else unix_seconds(milliseconds)


# ISO 8601, extended or basic


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2018-08-03T15:28:46.493Z", 1533310126),
        ("20150101", NEW_YEAR_2015),
        ("2018-08", 1533081600),
        ("2015-01-01 10:00+02:00", NEW_YEAR_2015 + 8 * 3600),
    ],
)
def test_the_examples_of_the_iso_row(text: str, expected: int) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2015", NEW_YEAR_2015),
        ("2018-08", 1533081600),
        ("2015-01-01", NEW_YEAR_2015),
        ("2015-01-01T10:00", NEW_YEAR_2015 + 36000),
        ("2015-01-01T10:00:07", NEW_YEAR_2015 + 36007),
        ("20150101T1000", NEW_YEAR_2015 + 36000),
        ("20150101T100007", NEW_YEAR_2015 + 36007),
        ("20150101T100007.9Z", NEW_YEAR_2015 + 36008),
    ],
)
def test_an_iso_date_may_be_as_short_as_the_year(text: str, expected: int) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("zone", ["", "Z", "+00", "+0000", "+00:00", "-00:00"])
@pytest.mark.parametrize("stem", ["2015-01-01T00:00:00", "2015-01-01 00:00:00", "20150101T000000"])
def test_no_zone_is_utc(stem: str, zone: str) -> None:
    assert seconds(stem + zone) == NEW_YEAR_2015


@pytest.mark.parametrize(
    ("zone", "hours_behind_utc"),
    [
        ("+02", -2.0),
        ("+0200", -2.0),
        ("+02:00", -2.0),
        ("-05", 5.0),
        ("-0500", 5.0),
        ("-05:00", 5.0),
        ("+05:30", -5.5),
        ("+0545", -5.75),
        ("-03:30", 3.5),
        ("+14:00", -14.0),
        ("-12:00", 12.0),
    ],
)
def test_a_zone_moves_the_instant(zone: str, hours_behind_utc: float) -> None:
    assert seconds(f"2015-01-01T00:00:00{zone}") == NEW_YEAR_2015 + hours_behind_utc * 3600


@pytest.mark.parametrize(
    ("fraction", "milliseconds"),
    [
        (".4", 400),
        (",4", 400),
        (".49", 490),
        (".493", 493),
        (",493", 493),
        (".4999999", 499),
        (".9999999999999999999999999", 999),
        (".0009", 0),
        ("." + "1" * 10_000, 111),
    ],
)
def test_a_fraction_of_any_length_is_cut_to_milliseconds(fraction: str, milliseconds: int) -> None:
    assert parse(f"2015-01-01T00:00:00{fraction}Z") == NEW_YEAR_2015 * 1000 + milliseconds


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Kathmandu", "XYZ-11"])
def machine_zone(request: pytest.FixtureRequest) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


@pytest.mark.parametrize("text", ["2015-01-01 00:00", "2015-01-01", "01/01/2015"])
def test_the_zone_of_the_machine_plays_no_part(machine_zone: str, text: str) -> None:
    assert seconds(text) == NEW_YEAR_2015  # segment.md 7, 2


# Rounding


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2018-08-03T15:28:46.493Z", 1533310126),
        ("2018-08-03T15:28:46.499Z", 1533310126),
        ("2018-08-03T15:28:46.4999Z", 1533310126),
        ("2018-08-03T15:28:46.500Z", 1533310127),
        ("2018-08-03T15:28:46.501Z", 1533310127),
        ("2018-08-03T15:28:47.500Z", 1533310128),
        ("2014-12-31T23:59:59.500Z", NEW_YEAR_2015),
    ],
)
def test_a_date_is_rounded_to_the_nearest_second_halves_up(text: str, expected: int) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        (-1, 0),
        (-499, 0),
        (-500, 0),
        (-501, -1),
        (-1000, -1),
        (-1499, -1),
        (-1500, -1),
        (-1501, -2),
        (0, 0),
        (499, 0),
        (500, 1),
        (1499, 1),
        (1500, 2),
        (2500, 3),
    ],
)
def test_halves_go_up_on_both_sides_of_1970(milliseconds: int, expected: int) -> None:
    assert unix_seconds(milliseconds) == expected


@settings(deadline=None)
@given(st.integers(-(10**20), 10**20))
def test_rounding_never_moves_a_date_by_more_than_half_a_second(milliseconds: int) -> None:
    assert -500 < unix_seconds(milliseconds) * 1000 - milliseconds <= 500


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1420099200.4999, 1420099200),
        (1420099200.4996, 1420099200),
        (1420099200499.9, 1420099200),
        (-1.5, -1),
        (-1.5004, -2),
        (-0.5, 0),
        (-0.5004, -1),
    ],
)
def test_a_number_is_rounded_once(number: float, expected: int) -> None:
    assert seconds(number) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01", 0),
        ("1969-12-31T23:59:59Z", -1),
        ("1969-12-31T23:59:59.500Z", 0),
        ("1969-12-31T23:59:58.500Z", -1),
        ("1969-12-31T23:59:58.499Z", -2),
        ("1969-07-20T20:17:40Z", -14182940),
        ("07/20/1969", -14256000),
    ],
)
def test_dates_before_1970_count_backwards(text: str, expected: int) -> None:
    assert seconds(text) == expected


# Text that starts with digits


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1420099200000", 1420099200),
        ("1420099200499", 1420099200),
        ("1420099200500", 1420099201),
        ("1420099200000.9", 1420099200),
        ("0000000000000", 0),
        ("1000000000000", 1000000000),
        ("9999999999999", 10000000000),
        ("10000000000000", 10000000000),
        ("20150101100000", 20150101100),
    ],
)
def test_text_that_starts_with_13_digits_or_more_counts_milliseconds(
    text: str, expected: int
) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1420099200", 1420099200),
        ("1420099200.435", 1420099200),
        ("1420099200.999", 1420099200),
        ("1420099200,999", 1420099200),
        ("1420099200 seconds", 1420099200),
        ("1420099200\n", 1420099200),
        ("0000000000", 0),
        ("1000000000", 1000000000),
        ("9999999999", 9999999999),
        ("14200992000", 14200992000),
        ("142009920000", 142009920000),
        ("999999999999", 999999999999),
        ("999999999999.9", 999999999999),
    ],
)
def test_text_that_starts_with_10_to_12_digits_counts_seconds_and_loses_the_rest(
    text: str, expected: int
) -> None:
    assert seconds(text) == expected


def test_text_of_nine_digits_is_no_date() -> None:
    assert parse("142009920") is None


# JSON numbers


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1420099200, 1420099200),
        (1420099200.435, 1420099200),
        (1420099200.5, 1420099201),
        (0, 0),
        (1, 1),
        (-1, -1),
        (-1420099200, -1420099200),
        (31_557_599_999, 31_557_599_999),
        (31_557_599_999.0, 31_557_599_999),
        (31_557_599_999.75, 31_557_600_000),
    ],
)
def test_a_number_below_31557600000_counts_seconds(number: float, expected: int) -> None:
    assert seconds(number) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1420099200000, 1420099200),
        (31_557_600_000, 31_557_600),
        (31_557_600_000.0, 31_557_600),
        (31_557_600_499, 31_557_600),
        (31_557_600_500, 31_557_601),
        (31_557_600_500.25, 31_557_601),
    ],
)
def test_a_number_from_31557600000_on_counts_milliseconds(number: float, expected: int) -> None:
    assert seconds(number) == expected


# Month/day/year


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("01/01/2015", NEW_YEAR_2015),
        ("12/31/2014", 1419984000),
        ("02/29/2016", 1456704000),
    ],
)
def test_month_day_year_is_that_day_in_utc(text: str, expected: int) -> None:
    assert seconds(text) == expected


# A zone behind a blank or written out, and small letters

FEBRUARY = 1549155906  # 2019-02-03T01:05:06Z


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019-02-03 01:05:06 UTC", FEBRUARY),
        ("2019-02-03 01:05:06.123456789123 UTC", FEBRUARY),
        ("2019-02-03 01:05:06,5 UTC", FEBRUARY + 1),
        ("2019-02-03 01:05:06 +0000", FEBRUARY),
        ("2019-02-03 01:05:06 +00:00", FEBRUARY),
        ("2019-02-03 01:05:06 -0700", FEBRUARY + 7 * 3600),
        ("2019-02-03 01:05:06 -07", FEBRUARY + 7 * 3600),
        ("2019-02-03 01:05:06 +0000 UTC", FEBRUARY),
        ("2019-02-03 01:05:06.5 +0530 IST", FEBRUARY - 19800 + 1),
        ("2019-02-03 01:05:06 GMT", FEBRUARY),
        ("2019-02-03 01:05:06UTC", FEBRUARY),
        ("2019-02-03T01:05:06 Z", FEBRUARY),
        ("2019-02-03T01:05:06Z[UTC]", FEBRUARY),
        ("2019-02-03T01:05:06.123Z[UTC]", FEBRUARY),
        ("2019-02-03T02:05:06+01:00[Europe/Paris]", FEBRUARY),
        ("2019-02-03T01:05:06[UTC]", FEBRUARY),
        ("2019-02-03t01:05:06z", FEBRUARY),
        ("2019-02-03t01:05:06.499+00:00", FEBRUARY),
        ("2019-02-03 01:05:06 utc", FEBRUARY),
        ("2019-02-03 01:05 UTC", FEBRUARY - 6),
        ("20190203T010506 UTC", FEBRUARY),
        ("2015-01-01T10:00 UTC", NEW_YEAR_2015 + 36000),
    ],
)
def test_a_zone_may_stand_behind_a_blank_or_be_written_out(text: str, expected: int) -> None:
    assert seconds(text) == expected
    assert parse_iso_day(text) is None, "no whole date by the first row"


@pytest.mark.parametrize(
    "text",
    [
        "2019-02-03 UTC",
        "2019-02-03 01 UTC",
        "2019-02-03 01:05:06 PST",
        "2019-02-03 01:05:06 +0100 UTC",
        "2019-02-03T01:05:06+01:00[UTC]",
        "2019-02-03T01:05:06[Europe/Paris]",
        "2019-02-03T01:05:06Z[]",
        "2019-02-03T01:05:06Z[U TC]",
        "2019-02-03 01:05:06  UTC",
        "2019-02-03 01:05:06 UTC ",
        "2019-02-03 01:05:06\tUTC",
        "2019-02-03 01:05:06 UTC UTC",
        "2019-02-03 01:05:06 +0000 +0000",
        "2019-02-03 01:05:06 +99:00",
        "2019-02-03 25:05:06 UTC",
        "2019-02-30 01:05:06 UTC",
        "2019-02-03  01:05:06 UTC",
        "2019-02-03 01:05:06 \u017fUTC",
        "2019-02-03 01:05:06 UTC+1",
        "2019-02-03 01:05:06 (UTC)",
    ],
)
def test_what_is_no_zone_makes_it_no_date(text: str) -> None:
    assert parse(text) is None


# Mail and HTTP


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sun, 03 Feb 2019 01:05:06 GMT", FEBRUARY),
        ("Sun, 3 Feb 2019 01:05:06 GMT", FEBRUARY),
        ("03 Feb 2019 01:05:06 +0000", FEBRUARY),
        ("Sun, 03 Feb 2019 01:05:06 -0000", FEBRUARY),
        ("Sat, 02 Feb 2019 18:05:06 -0700", FEBRUARY),
        ("Sun, 03 Feb 2019 01:05:06 +0000 (UTC)", FEBRUARY),
        ("Sun, 03 Feb 2019 01:05 UT", FEBRUARY - 6),
        ("Sun, 03 Feb 19 01:05:06 UTC", FEBRUARY),
        ("Sunday, 03-Feb-19 01:05:06 GMT", FEBRUARY),
        ("Sun, 03-Feb-2019 01:05:06 GMT", FEBRUARY),
        ("Sat, 02 Feb 2019 20:05:06 EST", FEBRUARY),
        ("Sat, 02 Feb 2019 18:05:06 PDT", FEBRUARY),
        ("sun, 03 feb 2019 01:05:06 gmt", FEBRUARY),
        ("Sun,  03  Feb  2019  01:05:06  GMT", FEBRUARY),
        ("Thu, 01 Jan 70 00:00:00 GMT", 0),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1483228800),
    ],
)
def test_a_date_as_mail_and_http_write_it_is_that_instant(text: str, expected: int) -> None:
    assert seconds(text) == expected
    assert parse_iso_day(text) is None


@settings(deadline=None)
@given(st.integers(0, 4_102_444_800), st.booleans())
def test_every_instant_is_read_as_python_writes_it_for_mail(instant: int, usegmt: bool) -> None:
    assert seconds(formatdate(instant, usegmt=usegmt)) == instant


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 03 Feb 2019",
        "Sun, 03 Feb 2019 01:05:06",
        "Sun 03 Feb 2019 01:05:06 GMT",
        "Sun, Feb 03 2019 01:05:06 GMT",
        "Sun, 31 Feb 2019 01:05:06 GMT",
        "Sun, 03 February 2019 01:05:06 GMT",
        "Son, 03 Feb 2019 01:05:06 GMT",
        "Sun, 03 Feb 2019 24:05:06 GMT",
        "Sun, 03 Feb 2019 01:60:06 GMT",
        "Sun, 03 Feb 2019 1:05:06 GMT",
        "Sun, 03 Feb 019 01:05:06 GMT",
        "Sun, 03-Feb 2019 01:05:06 GMT",
        "Sun, 03 Feb 2019 01:05:06 CET",
        "Sun, 03 Feb 2019 01:05:06 GMT and later",
        "Sun, 03 Feb 2019 01:05:06 +0000 (((",
        "Sun Feb 03 2019 01:05:06 GMT+0000 (Coordinated Universal Time)",
        "Feb 3, 2019",
        "3 Feb 2019",
        "Su\u017f, 03 Feb 2019 01:05:06 GMT",
    ],
)
def test_what_is_nearly_a_mail_date_is_no_date(text: str) -> None:
    assert parse(text) is None


MEGABYTES = 1_000_000


@pytest.mark.parametrize(
    "text",
    [
        "Sun," + " " * MEGABYTES,
        "1" * MEGABYTES,
        "03" + " " * MEGABYTES + "Feb",
        "2019-02-03 01:05:06 " + "A" * MEGABYTES,
        "2019-02-03T01:05:06Z[" + "A" * MEGABYTES,
    ],
)
def test_a_text_of_megabytes_takes_no_time(text: str) -> None:
    begun = time.monotonic()
    parse(text)
    assert time.monotonic() - begun < 5


# The 60th second


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2016-12-31T23:59:60Z", 1483228800),
        ("2016-12-31T23:59:60.5Z", 1483228801),
        ("2016-12-31 23:59:60 UTC", 1483228800),
        ("2015-01-01T10:07:60Z", NEW_YEAR_2015 + 36480),
        ("20150101T100760", NEW_YEAR_2015 + 36480),
    ],
)
def test_a_60th_second_is_the_first_of_the_next_minute(text: str, expected: int) -> None:
    assert seconds(text) == expected


# When an end user can have been created


@pytest.mark.parametrize(
    ("seconds", "is_one"),
    [(0, False), (-1, False), (86_400, False), (86_401, True), (1_549_166_706, True),
     (4_102_444_799, True), (4_102_444_800, False)],
)  # fmt: skip
def test_a_creation_date_lies_between_the_epochs_first_day_and_2100(
    seconds: int, is_one: bool
) -> None:
    assert is_plausible(seconds) is is_one


# What is no date


@pytest.mark.parametrize(
    "text",
    [
        "2015-02-30",
        "2015-02-29",
        "1900-02-29",
        "2100-02-29",
        "2015-04-31",
        "2015-00-01",
        "2015-13-01",
        "2015-01-00",
        "2015-01-32",
        "2015-13",
        "20150230",
        "20151301",
        "2015-01-01T25:00",
        "2015-01-01T10:60",
        "2015-01-01T10:00:61",
        "2015-01-01T10:00+99:00",
        "2015-01-01T10:00+02:60",
        "02/30/2015",
        "13/01/2015",
        "00/01/2015",
        "01/00/2015",
        "31/12/2015",
    ],
)
def test_an_impossible_date_is_no_date(text: str) -> None:
    assert parse(text) is None  # segment.md 7, 5: nothing rolls over


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2000-02-29", 951782400), ("2016-02-29", 1456704000), ("20160229", 1456704000)],
)
def test_a_leap_day_is_a_date_in_a_leap_year(text: str, expected: int) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("value", ["garbage", True, False, {}, [], None, "", " ", [2015], {"a": 1}])
def test_anything_else_is_no_date(value: object) -> None:
    assert parse(value) is None


@pytest.mark.parametrize(
    "text",
    [
        " 2015-01-01",
        "2015-01-01 ",
        "2015-01-01\n",
        "2015-01-01T10:00Z\n",
        "2015\n",
        "01/01/2015\n",
        "01/01/2015x",
        "2015-01-01x",
        "2015-01-01T",
        "2015-01-01  10:00",
        "2015-01-01\t10:00",
        "2015-01-01\u00a010:00",
        "2015-01-01T10:00:00.",
        "2015-01-01T10:00:00.5.5",
        "2015-01-01T10:00ZZ",
        "2015-01-01T10:00+2",
        "2015-01-01T10:00  UTC",
        "2015-1-1",
        "2015/01/01",
        "2015--01-01",
        " 1420099200",
        "-1420099200",
        "+1420099200",
        "x1420099200",
    ],
)
def test_a_date_must_be_written_whole_and_alone(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "２０１５-０１-０１",  # noqa: RUF001
        "2015-01-0１",  # noqa: RUF001
        "٢٠١٥-٠١-٠١",  # noqa: RUF001
        "01/01/２０１５",  # noqa: RUF001
        "142009920０",  # noqa: RUF001
        "１４２００９９２００",  # noqa: RUF001
        "2015-01-01T00:00:00.५Z",
        "142009920²",
    ],
)
def test_only_ascii_digits_are_digits(text: str) -> None:
    assert parse(text) is None


# Free traits and properties


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2015-01-01", NEW_YEAR_2015),
        ("2015-01-01T10:00Z", NEW_YEAR_2015 + 36000),
        ("2015-01-01 10:00+02:00", NEW_YEAR_2015 + 28800),
        ("2018-08-03T15:28:46.493Z", 1533310126),
    ],
)
def test_a_whole_iso_date_that_begins_with_the_day_is_a_date_among_free_traits(
    text: str, expected: int
) -> None:
    milliseconds = parse_iso_day(text)
    assert milliseconds is not None
    assert unix_seconds(milliseconds) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2015",
        "2018-08",
        "20150101",
        "20150101T1000Z",
        "1420099200",
        "1420099200000",
        "01/01/2015",
        "2015-02-30",
        "2015-01-01 was a Thursday",
        "2015-01-01\n",
        "2015-01-011",
        " 2015-01-01",
        "garbage",
        "",
    ],
)
def test_nothing_else_is_a_date_among_free_traits(text: str) -> None:
    assert parse_iso_day(text) is None


# Properties of all dates

OFFSETS = st.integers(-(23 * 60 + 59), 23 * 60 + 59)


@st.composite
def iso_renderings(draw: st.DrawFn) -> tuple[str, int]:
    """An instant in milliseconds, and one of the ways to write it."""
    local = draw(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)))
    extended = draw(st.booleans())
    precision = draw(st.sampled_from(["minute", "second", "fraction"]))
    local = local.replace(microsecond=0, second=0 if precision == "minute" else local.second)
    dash, colon = ("-", ":") if extended else ("", "")
    text = f"{local.year:04}{dash}{local.month:02}{dash}{local.day:02}{draw(st.sampled_from('T '))}"
    text += f"{local.hour:02}{colon}{local.minute:02}"
    milliseconds = 0
    if precision != "minute":
        text += f"{colon}{local.second:02}"
    if precision == "fraction":
        digits = draw(st.text("0123456789", min_size=1, max_size=30))
        text += draw(st.sampled_from(".,")) + digits
        milliseconds = int(digits[:3].ljust(3, "0"))

    offset = 0
    zone = draw(st.sampled_from(["", "Z", "hh", "hhmm", "hh:mm"]))
    if zone.startswith("hh"):
        offset = draw(OFFSETS)
        if zone == "hh":
            offset -= offset % 60 if offset > 0 else -(-offset % 60)
        hours, minutes = divmod(abs(offset), 60)
        sign = "-" if offset < 0 else "+"
        zone = zone.replace("hh", f"{sign}{hours:02}").replace("mm", f"{minutes:02}")
    elapsed = (local - datetime(1970, 1, 1)) // timedelta(milliseconds=1)
    return text + zone, elapsed - offset * 60_000 + milliseconds


@settings(deadline=None)
@given(iso_renderings())
@example(("0001-01-01T00:00+23:59", -62135683140000))
@example(("9999-12-31T23:59:59-23:59", 253402387139000))
def test_every_iso_rendering_of_an_instant_is_that_instant(rendering: tuple[str, int]) -> None:
    text, milliseconds = rendering
    assert parse(text) == milliseconds


@settings(deadline=None)
@given(st.dates())
def test_every_day_is_written_extended_basic_and_american(day: date) -> None:
    extended = str(day)
    year, month, number = extended.split("-")
    assert parse(extended) == parse(year + month + number) == parse(f"{month}/{number}/{year}")
    assert parse(extended) == parse_iso_day(extended)
    assert parse(extended) is not None


@settings(deadline=None)
@given(st.integers(-(10**9), 31_557_599_999))
def test_seconds_as_a_number_are_themselves(number: int) -> None:
    assert seconds(number) == number


@settings(deadline=None)
@given(st.integers(1_000_000_000, 999_999_999_999), st.text())
def test_seconds_as_text_are_themselves_whatever_follows(number: int, rest: str) -> None:
    if rest[:1] not in tuple("0123456789"):
        assert seconds(f"{number}{rest}") == number


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
DATE_LIKE = st.text("0123456789-/:.,TZ +\n", max_size=40)


@given(JSON | DATE_LIKE)
@example("1" * 5000)
@example("2015-01-01T00:00:00." + "9" * 5000)
@example("0000-01-01")
@example("00/00/0000")
@example(10**400)
@example(-(10**400))
@example(float("nan"))
@example(float("inf"))
@example(float("-inf"))
@example(1.7976931348623157e308)
@example("\ud800")
def test_nothing_raises_and_what_is_read_is_whole(value: object) -> None:
    milliseconds = parse(value)
    assert milliseconds is None or type(unix_seconds(milliseconds)) is int
    if isinstance(value, str):
        day = parse_iso_day(value)
        assert day is None or day == milliseconds


@given(
    st.integers(0, 9999),
    st.integers(0, 13),
    st.integers(0, 32),
    st.tuples(st.integers(0, 25), st.integers(0, 61), st.integers(0, 61)),
    st.from_regex(r"(\.[0-9]{1,12})?", fullmatch=True),
    st.just("Z") | st.builds("{:+03}:{:02}".format, st.integers(-25, 25), st.integers(0, 61)),
)
@example(2024, 2, 29, (24, 0, 0), "", "Z")
@example(1, 1, 1, (0, 0, 0), "", "+23:59")
@example(2024, 1, 1, (0, 0, 0), "", "+00:60")
@example(9999, 12, 31, (23, 59, 59), ".9999999", "-23:59")
def test_a_time_as_segment_writes_it_is_read_as_every_other_form_is(
    year: int, month: int, day: int, clock: tuple[int, int, int], fraction: str, zone: str
) -> None:
    hour, minute, second = clock
    written = f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}"
    assert parse(written) == parse(written.replace("T", " "))
