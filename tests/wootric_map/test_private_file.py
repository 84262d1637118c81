"""Private files: in their place whole or not at all, and nobody else's to read."""

import stat
from pathlib import Path

import pytest
from full_disk import room_for

from wootric_map.private_file import PrivateFile


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "file"


@pytest.mark.parametrize("buffer", [0, 1000])
def test_it_is_in_its_place_once_it_is_finished(place: Path, buffer: int) -> None:
    place.write_bytes(b"before")
    with PrivateFile.beside(place, buffer=buffer) as file:
        file.write(b"one ")
        file.write(b"two")
        assert place.read_bytes() == b"before"
        file.finish()
    assert place.read_bytes() == b"one two"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert list(place.parent.iterdir()) == [place]


def test_nothing_is_left_of_one_that_was_not_finished(place: Path) -> None:
    with PrivateFile.beside(place) as file:
        file.write(b"one")
        assert file.path.exists()
    assert list(place.parent.iterdir()) == []


@pytest.mark.parametrize("buffer", [0, 2])
def test_a_piece_that_the_disk_does_not_take_is_not_in_it_and_the_others_are(
    place: Path, buffer: int
) -> None:
    with PrivateFile.beside(place, buffer=buffer) as file:
        file.write(b"one ")
        with room_for(6), pytest.raises(OSError, match=str(place)):
            file.write(b"much more ")
        file.write(b"two")
        file.finish()
    assert place.read_bytes() == b"one two"


def test_what_waits_in_memory_is_not_lost_with_a_piece_that_finds_no_room(place: Path) -> None:
    with PrivateFile.beside(place, buffer=5) as file:
        file.write(b"one ")
        with room_for(2), pytest.raises(OSError, match=str(place)):
            file.write(b"more")
        file.write(b"two")
        file.finish()
    assert place.read_bytes() == b"one two"


def test_what_another_program_put_under_its_name_stays(place: Path) -> None:
    with PrivateFile.beside(place) as file:
        file.write(b"one")
        file.path.unlink()
        file.path.write_bytes(b"another's")
        with pytest.raises(OSError, match="another program"):
            file.finish()
        partial = file.path
    assert partial.read_bytes() == b"another's"
    assert not place.exists()


def test_it_gets_a_name_again_with_all_that_it_held(place: Path) -> None:
    with PrivateFile.beside(place) as file:
        file.write(b"one ")
        file.path.unlink()
        file.regain()
        file.write(b"two")
        file.finish()
    assert place.read_bytes() == b"one two"
    assert list(place.parent.iterdir()) == [place]


def test_what_a_killed_run_left_is_deleted_and_what_is_being_written_is_not(place: Path) -> None:
    abandoned = place.with_name(f".{place.name}.abcdefgh.partial")
    abandoned.write_bytes(b"left")
    with PrivateFile.beside(place) as first, PrivateFile.beside(place) as second:
        assert not abandoned.exists()
        assert first.path.exists()
        assert second.path.exists()
