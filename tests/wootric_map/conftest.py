"""Plans of made-up records."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from planned import Fields, Planned, PlanOf, planned


@pytest.fixture
def plan_of(tmp_path: Path) -> Iterator[PlanOf]:
    """Plans the records of one file, or, given lists of records, of several; options as `planned` has."""
    with ExitStack() as stack:

        def make(*records: Fields | bytes | list[Fields], **planning: Any) -> Planned:
            several = bool(records) and isinstance(records[0], list)
            files: list[Any] = list(records) if several else [records]
            return stack.enter_context(planned(tmp_path, *files, **planning))

        yield make
