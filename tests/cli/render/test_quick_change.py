"""A change that is drawn by its shape looks as if it were drawn by itself."""

import pickle
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from made_up_traits import traits_of_one_shape

from cli.render import change, quick_change
from cli.render.diff import shown
from wootric_map.diff import EndUserChange, ShapedChange
from wootric_map.mapping.property_names import Naming
from wootric_map.plan.quick_changes import QuickChanges

IGNORED = st.sampled_from([frozenset[str](), frozenset({"list_without_array"})])


def plain(changed: ShapedChange) -> EndUserChange:
    told = changed.fields, None, changed.origins, changed.warnings
    return EndUserChange(*told, wanted=changed.fields)


@given(all_traits=traits_of_one_shape(), ignored=IGNORED, has_user_id=st.booleans())
@example(all_traits=[{"email": "a@b.co"}], ignored=frozenset(), has_user_id=False)
def test_a_change_looks_as_if_drawn_by_itself(
    all_traits: list[dict[str, Any]], ignored: frozenset[str], has_user_id: bool
) -> None:
    quick_changes = QuickChanges(Naming())
    for number, traits in enumerate(all_traits * 4):
        quick = quick_changes.of(f"user {number}" if has_user_id else None, traits)
        if quick is not None:
            changed = ShapedChange(quick, ignored)
            assert quick_change.as_json(changed) == change.as_json(plain(changed))
            assert quick_change.as_text(changed) == change.as_text(plain(changed))


def test_most_changes_are_drawn_by_their_shape() -> None:
    quick_changes = QuickChanges(Naming())
    traits: dict[str, Any] = {"email": "a@b.co", "100%": "100%", "tags": ["a"], "vip": True}
    told = [quick_changes.of("1", traits | {"vip": bool(number % 2)}) for number in range(4)]
    changes = [
        shown(ShapedChange(each, frozenset()), redaction=None, texts=True, lines=True)
        for each in told
        if each
    ]
    assert len({each.text for each in changes} | {each.line for each in changes}) == 4


def test_another_process_gets_a_change_that_says_the_same() -> None:
    quick_changes = QuickChanges(Naming())
    traits = {"email": "a@b.co", "tags": ["a"]}
    told = [quick_changes.of("1", traits) for _ in range(2)]
    assert told[1]
    changed = ShapedChange(told[1], frozenset())
    there = pickle.loads(pickle.dumps(changed))  # noqa: S301 - our own
    assert there == plain(changed)
    assert not there.is_update
