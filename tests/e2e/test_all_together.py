"""Groups, roll-ups, opt-outs and survey history at once: what holds of each holds of all together."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from replaying import Replay, at, empty_account, identify, page, track

from wootric_map.sandbox import RunningSandbox, run_sandbox

Records = Sequence[Mapping[str, Any]]

OPTIONS: Final = (
    "--surveys-disabled", "traits.unsubscribed",
    "--group-traits", "company",
    "--rollup", "Order Completed:count=orders_amount",
    "--rollup", "Order Completed:latest.plan=last_plan",
    "--response-event", "NPS Submitted",
)  # fmt: skip


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with run_sandbox() as running:
        yield running


USERS: Final = ("1", "2", "3")
KEPT_ALWAYS: Final = [
    at(1, identify(user, f"u{user}@b.co")) | {"messageId": f"i{user}"} for user in USERS
]


def _group(user: str, group: str, name: str) -> dict[str, Any]:
    return {"type": "group", "userId": user, "groupId": group, "traits": {"name": name}}


_WHO = st.sampled_from(USERS)
_SAID = st.sampled_from([True, False, "true", 0, None, "perhaps", "silent"])
IDENTIFIES = st.builds(
    lambda user, said, plan: identify(
        user,
        f"u{user}@b.co",
        **{"plan": plan} | ({} if said == "silent" else {"unsubscribed": said}),
    ),
    _WHO,
    _SAID,
    st.sampled_from(["a", "b"]),
)
GROUPS = st.builds(_group, _WHO, st.sampled_from(["g", "h"]), st.sampled_from(["Acme", "Bolt"]))
ORDERS = st.builds(
    lambda user, plan: track(user, "Order Completed", properties={"plan": plan}),
    _WHO,
    st.sampled_from(["x", "y"]),
)
ANSWERS = st.builds(
    lambda user, score: track(user, "NPS Submitted", properties={"score": score}),
    _WHO,
    st.integers(0, 10),
)
OTHERS = st.builds(page, _WHO) | st.builds(track, _WHO)


@st.composite
def exports(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Records of different days, so that the order of none is left open."""
    records = draw(
        st.lists(IDENTIFIES | IDENTIFIES | GROUPS | ORDERS | ANSWERS | OTHERS, max_size=10)
    )
    days = draw(st.permutations(range(2, 20)))
    dated = zip(days, records, strict=False)
    return [at(day, each) | {"messageId": f"m{day}"} for day, each in dated]


def account(replay: Replay) -> dict[str, Any]:
    """What the account holds in the end, and what was sent that can't be taken back."""
    state = replay.sandbox.state
    users = {each.id: str(each.external_id) for each in state.end_users}
    events = Counter(f"{each['method']} {each['path']}" for each in replay.sandbox.requests)
    return {
        "end users": {
            user: (held["email"], held["properties"], held["settings"])
            for user, held in replay.users().items()
        },
        "events": {
            call: count for call, count in events.items() if "gif" in call or "elig" in call
        },
        "responses": sorted((users[each.end_user_id], each.score) for each in state.responses),
    }


def turned_off(replay: Replay) -> Counter[str]:
    return Counter(path for path in replay.paths("PUT") if path.endswith("/settings"))


def changes(replay: Replay) -> int:
    """How many calls were made that change something."""
    told = [each for each in replay.paths("POST") if "oauth" not in each]
    sent = [each for each in replay.paths("GET") if "gif" in each or "eligible" in each]
    return len(told) + len(sent) + len(replay.paths("PUT"))


def writes(replay: Replay) -> int:
    """How many end users were written."""
    return sum(
        "/responses" not in path and "oauth" not in path for path in replay.paths("POST")
    ) + len(replay.paths("PUT"))


WAYS = st.sampled_from([(), (), ("--no-fold",), ("--against", "account"), ("--events-first",)])


@examples(25)
@given(records=exports(), way=WAYS, data=st.data())
def test_a_saved_plan_and_a_push_leave_the_same_and_then_there_is_nothing_to_do(
    sandbox: RunningSandbox, records: Records, way: tuple[str, ...], data: st.DataObject
) -> None:
    whole = data.draw(st.permutations([*KEPT_ALWAYS, *records]))
    folding = tuple(each for each in way if each == "--no-fold")
    with empty_account(sandbox) as replay:
        export = replay.write(whole)
        foretold = replay.diff("--against", "account", *OPTIONS, *folding, export).summary
        done = replay.push("--format", "json", *OPTIONS, *way, export)
        assert done.returncode == 0, done.stderr
        told = orjson.loads(done.stdout)["summary"]
        for name in ("create", "update", "surveys_off", "kept_off", "responses", "page_views"):
            assert foretold[name] == told[name], name
        assert set(turned_off(replay).values()) <= {1}
        held, before = account(replay), changes(replay)
        assert replay.sends(*OPTIONS, *way, export)
        assert changes(replay) == before
        assert replay.sends("--plan", replay.plan("--next", *OPTIONS, *folding, export))
        assert changes(replay) == before
    with empty_account(sandbox) as replay:
        assert replay.sends("--plan", replay.plan(*OPTIONS, *folding, replay.write(whole)))
        assert account(replay) == held


@examples(25)
@given(records=exports(), way=WAYS, data=st.data())
def test_parts_in_any_order_come_to_the_whole(
    sandbox: RunningSandbox, records: Records, way: tuple[str, ...], data: st.DataObject
) -> None:
    parts: list[list[Mapping[str, Any]]] = [[] for _ in range(data.draw(st.integers(2, 3)))]
    for record in data.draw(st.permutations([*KEPT_ALWAYS, *records])):
        data.draw(st.sampled_from(parts)).append(record)
    with empty_account(sandbox) as replay:
        assert replay.sends(*OPTIONS, replay.write([*KEPT_ALWAYS, *records]))
        expected = {user: held["properties"] for user, held in replay.users().items()}
    with empty_account(sandbox) as replay:
        for nth, part in enumerate(parts):
            export = replay.write(part, f"part-{nth}")
            if data.draw(st.booleans()):
                assert replay.sends(
                    "--plan", replay.plan("--next", *OPTIONS, export, name=f"p{nth}")
                )
            else:
                assert replay.sends(*OPTIONS, *way, export)
        split = {user: held["properties"] for user, held in replay.users().items()}
        for user, wanted in expected.items():
            assert {name: split[user].get(name) for name in wanted} == wanted
        assert set(turned_off(replay).values()) <= {1}
        whole = replay.write([*KEPT_ALWAYS, *records])
        before = writes(replay)
        # Events of a part that came before anything told who their user is are sent only now.
        assert replay.sends(*OPTIONS, *way, whole)
        assert writes(replay) == before
        assert not set(turned_off(replay).values()) - {1}
        after = changes(replay)
        assert replay.sends(*OPTIONS, *way, whole)
        assert changes(replay) == after


@examples(20)
@given(records=exports(), user=_WHO, by_email=st.booleans(), planned=st.booleans())
def test_of_somebody_suppressed_nothing_of_all_that_is_sent(
    sandbox: RunningSandbox, records: Records, user: str, by_email: bool, planned: bool
) -> None:
    with empty_account(sandbox) as replay:
        listed = replay.folder / "listed"
        listed.write_text(f"u{user}@b.co\n" if by_email else f"{user}\n")
        export = replay.write([*KEPT_ALWAYS, *records])
        if planned:
            plan = replay.plan(*OPTIONS, export)
            assert replay.sends("--plan", plan, "--suppress", listed)
        else:
            assert replay.sends(*OPTIONS, "--suppress", listed, export)
        assert user not in replay.users()
        for request in replay.sandbox.requests:
            told = orjson.dumps(request).decode()
            assert request["method"] == "GET" or f"u{user}@b.co" not in told
        others = [each for each in [*KEPT_ALWAYS, *records] if each["userId"] != user]
        held = account(replay)
    with empty_account(sandbox) as replay:
        assert replay.sends(*OPTIONS, replay.write(others))
        if planned:  # what a group's other members told was in the plan already
            return
        assert account(replay) == held
