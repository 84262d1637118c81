"""The files beside the code that every project has: what they say is so."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_each_module_that_the_architecture_page_names_is_there() -> None:
    named = set(re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.py)`|`([a-z_]+/(?:[a-z_]+/)*)`", CONTRIBUTING))
    assert named
    for file, folder in named:
        name = file or folder
        assert (ROOT / name).exists() or (ROOT / "wootric_map" / name).exists(), name


def test_each_make_target_that_the_page_names_is_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z]+)", CONTRIBUTING, re.MULTILINE)) <= targets


def test_no_comment_points_to_another_place_without_saying_which() -> None:
    pointing = re.compile(r"\b(as (above|below)|the same of)\b", re.IGNORECASE)
    code = [
        path for folder in ("cli", "wootric_map", "tests") for path in (ROOT / folder).rglob("*.py")
    ]
    assert len(code) > 100
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in code
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pointing.search(line)
    ]
    assert not found


def test_the_changelog_is_about_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(project['version'])}\b", changelog, re.MULTILINE)
