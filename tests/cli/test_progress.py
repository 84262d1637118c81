"""What a run under way says of the limits that it waits for."""

from time import time as real_time

import pytest
from virtual_time import VirtualTime

from cli.render.listing import ListingProgress
from cli.render.progress import SendingProgress
from wootric_map.wootric.pace import Pace


class Texts:
    """Both progress displays of one pace, at each wait."""

    def __init__(self, rate: float | None = None) -> None:
        # The displays compare with the clock on the wall.
        self.time = VirtualTime(real_time())
        self.waits: list[str] = []
        self.pace = Pace(rate, wait=self._wait, clock=self.time, monotonic=self.time)
        self.displays = SendingProgress(10, self.pace), ListingProgress(0, self.pace)

    def _wait(self, seconds: float) -> bool:
        self.waits.extend(each.text for each in self.displays)
        return self.time.wait(seconds)

    def call(self, remaining: int, reset: float) -> None:
        self.pace.take_turn("e")
        headers = {"Limit": 100, "Remaining": remaining, "Reset": reset}
        told = {f"X-Rate-Limit-{name}": str(value) for name, value in headers.items()}
        self.pace.learn("e", told, refused=False)

    @property
    def now(self) -> list[str]:
        return [each.text for each in self.displays]


def test_calls_that_wait_for_a_reset_say_so_and_for_how_long() -> None:
    texts = Texts()
    texts.call(0, texts.time.now + 1800)
    assert not any("limit" in text for text in texts.now)
    texts.call(99, texts.time.now + 3600)
    assert all(text.endswith(", waiting 30 min for Wootric's limit") for text in texts.waits[:2])


def test_calls_that_wait_for_the_rate_say_so() -> None:
    texts = Texts(rate=2)
    for _ in range(2):
        texts.call(99, texts.time.now + 60)
    assert all(text.endswith(", waiting 30 s for --rate") for text in texts.waits[:2])


@pytest.mark.parametrize("calls", [2, 5])
def test_calls_that_a_limit_spaces_say_which(calls: int) -> None:
    texts = Texts()
    reset = texts.time.now + 60
    for number in range(calls):
        texts.call(99 - number, reset)
    assert all(text.endswith(", spaced by Wootric's limit of 100 a minute") for text in texts.now)


def test_one_call_and_one_record_are_no_plural() -> None:
    pace = Pace(None, wait=lambda _: False)
    one, two = SendingProgress(1, pace), SendingProgress(2, pace)
    pace.take_turn("e")
    assert (one.share, two.share) == ("0 of 1 record", "0 of 2 records")
    assert one.text.startswith("1 call, ")
    pace.take_turn("e")
    assert one.text.startswith("2 calls, ")
