"""The lines of `map` are what its records say, however they are read."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from wootric_map.map_records import Map, MapSettings
from wootric_map.mapping import shown_records
from wootric_map.mapping.shown_records import PlainEncoding

SAMPLES = Path(__file__).parents[2] / "sample_events"
FOLDERS = [each.name for each in SAMPLES.iterdir() if each.is_dir()]
OPTIONS: dict[str, dict[str, Any]] = {
    "by default": {},
    "with an account": {"account_token": "NPS-EU-12345678"},
    "without some warnings": {"ignored_warnings": frozenset({"list_without_array", "key_renamed"})},
}


class SlowEncoding(PlainEncoding):
    """Writes objects as they are, but allows no templates."""

    is_plain = False


def output(mapping: Map, encoding: PlainEncoding) -> bytes:
    return b"".join(b"".join(lines) for lines in mapping.lines(encoding))


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("options", OPTIONS)
def test_lines_are_what_the_records_are(folder: str, options: str) -> None:
    settings = MapSettings(paths=[str(SAMPLES / folder)], **OPTIONS[options])
    mapping, quick, slow = Map(settings), Map(settings), Map(settings)
    expected = b"".join(
        orjson.dumps({"source": each.source, "line": each.line, **each.data}) + b"\n"
        for each in mapping.records()
    )
    assert output(quick, PlainEncoding()) == expected
    assert output(slow, SlowEncoding()) == expected
    for each in (quick, slow):
        assert (each.any_rejected, each.ignored) == (mapping.any_rejected, mapping.ignored)


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_is_too_much_to_be_held_is_shown_too(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = MapSettings(paths=[str(SAMPLES / folder)])
    whole = Map(settings)
    expected = output(whole, PlainEncoding())
    monkeypatch.setattr(shown_records, "_HELD", 1000)
    for encoding in (PlainEncoding(), SlowEncoding()):
        in_pieces = Map(settings)
        assert output(in_pieces, encoding) == expected
        assert in_pieces.any_rejected == whole.any_rejected
