"""What a refusal says about the ids that were sent."""

import pytest

from wootric_map.wootric.taken_ids import taken_ids


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("Validation failed: Email has already been taken", {"email"}),
        ("Validation failed: External has already been taken", {"external_id"}),
        ("external_id has already been taken", {"external_id"}),
        ("External ID has already been taken", {"external_id"}),
        (
            "Validation failed: Email has already been taken, External has already been taken",
            {"email", "external_id"},
        ),
        ("Validation failed: Email is invalid", set()),
        ("Username has already been taken", set()),
        ("Secondaryemail has already been taken", set()),
    ],
)
def test_a_refusal_names_the_ids_that_somebody_else_has(words: str, ids: set[str]) -> None:
    assert taken_ids(words) == ids
