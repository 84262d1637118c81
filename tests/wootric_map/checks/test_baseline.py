"""The baseline is read strictly, and written the same for the same findings."""

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.checks import baseline
from wootric_map.checks.baseline import BaselineError, read_baseline, write_baseline
from wootric_map.codes import CODES

FINDINGS = st.dictionaries(
    st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}"), st.sampled_from(list(CODES))
)
GOOD = {"code": "invalid_json", "fingerprint": "0" * 32}


@given(findings=FINDINGS)
def test_what_is_written_is_read_in_whatever_order_it_was_found(
    findings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("baselines")
    write_baseline(folder / "a", findings)
    write_baseline(folder / "b", dict(reversed(findings.items())))
    assert read_baseline(folder / "a") == findings
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes()


def test_a_finding_is_a_line_of_its_own_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "known.json"
    write_baseline(path, {"1" * 32: "invalid_json", "0" * 32: "missing_type"})
    assert path.read_text().splitlines() == [
        "{", '"version": 1,', '"findings": [',
        f'{{"code": "invalid_json", "fingerprint": "{"1" * 32}"}},',
        f'{{"code": "missing_type", "fingerprint": "{"0" * 32}"}}',
        "]", "}",
    ]  # fmt: skip
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not JSON"),
        (b"<<<<<<< HEAD\n{}", "not JSON"),
        (b"[]", 'no object of "version" and "findings"'),
        (orjson.dumps({"version": 1}), 'no object of "version" and "findings"'),
        (orjson.dumps({"version": 2, "findings": []}), "its version is not 1"),
        (orjson.dumps({"version": True, "findings": []}), "its version is not 1"),
        (orjson.dumps({"version": 1, "findings": {}}), "no list"),
        (orjson.dumps({"version": 1, "findings": [1]}), "finding 1 is no object"),
        (orjson.dumps({"version": 1, "findings": [GOOD | {"x": 1}]}), "finding 1 is no object"),
        (orjson.dumps({"version": 1, "findings": [GOOD, GOOD]}), "finding 2 stands there twice"),
        (
            orjson.dumps({"version": 1, "findings": [GOOD | {"code": "invalid_jsn"}]}),
            "did you mean invalid_json",
        ),
        (orjson.dumps({"version": 1, "findings": [GOOD | {"code": 1}]}), "unknown code"),
        (
            orjson.dumps({"version": 1, "findings": [GOOD | {"fingerprint": "0"}]}),
            "no fingerprint of 32",
        ),
    ],
)
def test_what_is_no_baseline_is_refused(content: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "known.json"
    path.write_bytes(content)
    with pytest.raises(BaselineError, match=why):
        read_baseline(path)


def test_nothing_but_a_baseline_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "precious.json"
    path.write_text('{"a": 1}')
    with pytest.raises(BaselineError, match="is no baseline"):
        write_baseline(path, {})
    assert path.read_text() == '{"a": 1}'


def test_too_many_findings_are_no_baseline(tmp_path: Path) -> None:
    many = {f"{number:032x}": "invalid_json" for number in range(baseline.MOST + 1)}
    with pytest.raises(BaselineError, match="more than 100,000"):
        write_baseline(tmp_path / "known.json", many)
    assert not list(tmp_path.iterdir())
