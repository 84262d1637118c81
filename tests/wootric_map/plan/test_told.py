"""What a saved plan tells of groups and events is read as it was written."""

from typing import Any

import orjson
import pytest

from wootric_map.plan.event_history import EventHistory
from wootric_map.plan.group_traits import stated
from wootric_map.plan.told import Named, Told, ToldCall, ToldEvent, line_of, told_by

CALL = ToldCall(
    Named("1", "a@b.co"), (5, True, "m"), "g", stated({"name": "A"}, 5, has_message=True, tie="m")
)
EVENT = ToldEvent(Named(None, "a@b.co"), "Order", ("revenue",), "key", EventHistory(1, 2, 3))


@pytest.mark.parametrize("told", [CALL, EVENT, CALL._replace(named=Named(None, None))])
def test_it_is_read_as_it_was_written(told: Told) -> None:
    line = orjson.loads(orjson.dumps(line_of(told)))
    assert orjson.loads(orjson.dumps(line_of(told_by(line)))) == line
    assert told_by(line).named == told.named


@pytest.mark.parametrize(
    "changes",
    [
        {"group": 7},
        {"order": [1, 2, 3]},
        {"order": []},
        {"traits": "x"},
        {"user_id": 5},
        {"traits": None},
    ],
)
def test_what_tells_nothing_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        told_by({**line_of(CALL), **changes})
    with pytest.raises((KeyError, TypeError, ValueError)):
        told_by({"event": "x"})
    with pytest.raises((KeyError, TypeError, ValueError)):
        told_by(changes)
