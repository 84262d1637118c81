"""Where the journal is kept."""

import pwd
from pathlib import Path
from threading import Event
from typing import NoReturn

import pytest

from wootric_map.deliver import journal_place
from wootric_map.deliver.account_lock import locked
from wootric_map.errors import SettingsError


@pytest.fixture
def _homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user that the machine does not know, as in a container."""

    def unknown(_: object) -> NoReturn:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_homeless")
def test_without_a_home_it_asks_for_a_place() -> None:
    with pytest.raises(SettingsError, match="--journal FILE"):
        journal_place.place("0123456789ab", None)


@pytest.mark.usefixtures("_homeless")
def test_without_a_home_the_lock_stands_beside_the_journal(tmp_path: Path) -> None:
    path = journal_place.place("0123456789ab", tmp_path / "own.journal")
    with locked("0123456789ab", path, timeout=0, wait=Event().wait):
        assert [each.name for each in tmp_path.iterdir()] == ["own.journal.lock"]
