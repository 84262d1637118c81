"""What options take, beside what whole commands show of it."""

import click
import pytest
from click.testing import CliRunner

from cli.options.types import Moment
from wootric_map.mapping import filters

DAY = 86_400


def test_all_options_of_a_run_count_from_one_moment() -> None:
    clock = iter([10 * DAY, 20 * DAY])
    found: list[int] = []

    @click.command()
    @click.option("--since", type=Moment(filters.since, lambda: next(clock)))
    @click.option("--until", type=Moment(filters.until, lambda: next(clock)))
    def command(since: int, until: int) -> None:
        found.extend((since, until))

    for _ in range(2):
        done = CliRunner().invoke(command, ["--until", "1d", "--since", "1w"])
        assert done.exit_code == 0, done.output
    assert found == [3 * DAY * 1000, 9 * DAY * 1000, 13 * DAY * 1000, 19 * DAY * 1000]


@pytest.mark.parametrize("text", ["2024-03-01", "1709294400"])
def test_a_date_is_no_length_of_time(text: str) -> None:
    assert Moment(filters.since, lambda: 0)(text) == filters.since(text)
