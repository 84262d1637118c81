"""A plan as a file: what is saved is what is done, and nothing else is taken for one."""

import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planned import Fields, PlanOf, identify, millis, page, track, wootric_id

from wootric_map import EligibilityCheck, EndUserUpsert, PageView, PlanOptions
from wootric_map.deliver.rehearse import Rehearsed
from wootric_map.errors import PlanFileError
from wootric_map.mapping.calls import page_view
from wootric_map.mapping.record_keys import event_key
from wootric_map.model import EndUser, Outcome, Ref
from wootric_map.plan.engine.spool import Person
from wootric_map.plan.people import NO_TIME
from wootric_map.plan.plan_file import PlanFile
from wootric_map.plan.plan_lines import Planned, PlannedCall, PlannedWrite
from wootric_map.plan.plan_writer import PlanWriter
from wootric_map.plan.steps import EndUserPlan, Event, Write
from wootric_map.plan.trait_history import Order

Save: TypeAlias = Callable[..., Path]

HEADER: Fields = {"wootric_replay_plan": 1, "account": None, "against": "nothing"}
CREATE: Fields = {
    "end_user": 1,
    "action": "create",
    "fields": {"email": "a@b.co", "properties": {"plan": "pro", "seats_amount": 3}},
    "records": 2,
}
UPDATE: Fields = {
    "end_user": 2,
    "action": "update",
    "id": 77,
    "fields": {"external_created_at": 0},
    "records": 1,
}
CHECK: Fields = {
    "end_user": 2,
    "action": "eligibility_check",
    "key": "m-1",
    "call": {"event_name": "Signed Up", "email": "a@b.co"},
}
VIEW: Fields = {
    "end_user": 3,
    "action": "page_view",
    "key": "m-2",
    "call": {"random": "ab", "email": "a@b.co", "created_at": 5},
}
BODY = (CREATE, UPDATE, CHECK, VIEW)


def end(*body: Fields) -> Fields:
    actions = [each["action"] for each in body]
    return {
        "end": {
            action: actions.count(action)
            for action in ("create", "update", "eligibility_check", "page_view")
        }
    }


def whole(*body: Fields) -> list[Fields]:
    return [HEADER, *body, end(*body)]


def line(each: Fields) -> str:
    """What stands for a write that a release without keys has saved."""
    return orjson.dumps(each).decode()


def text(lines: list[Fields]) -> bytes:
    return b"".join(orjson.dumps(line) + b"\n" for line in lines)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plan.ndjson"


@pytest.fixture
def save(plan_of: PlanOf, path: Path) -> Save:
    """Saves the plan of some records."""

    def saved(
        *records: Fields, find: Any = None, account: str | None = None, **planning: Any
    ) -> Path:
        with PlanWriter(path, account=account, against="nothing") as writer:
            for each in plan_of(*records, **planning).rehearsed(None, find):
                writer.add(each)
            writer.finish()
        return path

    return saved


def steps(path: Path) -> list[list[Planned]]:
    with PlanFile(path) as plan:
        return [list(plan.steps(index)) for index in range(len(plan))]


def places(path: Path) -> Iterator[Ref]:
    """Of each line, as the plan names it."""
    begin = 0
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
        yield Ref(begin, str(path), number)
        begin += len(line)


def lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


# What is saved


def test_a_plan_is_saved_as_it_would_be_carried_out(save: Save) -> None:
    path = save(
        identify("1", 1, email="a@b.co", plan="pro", createdAt=1_400_005_000, messageId="a"),
        identify("1", 2, seats="3", messageId="b"),
        track("1", 3, messageId="c", properties={"n": 4}),
        page("2", 4, messageId="d", context={"traits": {"email": "c@d.co"}}),
        page("3", 5),
    )
    key = event_key("d", "page", "2", "a", None)
    view = page_view(key, email=None, created_at=None, url=None, name=None, path=None)
    saved = lines(path)
    assert saved[1].pop("key")
    assert saved == [
        HEADER,
        {
            "end_user": 1,
            "action": "create",
            "fields": {
                "email": "a@b.co",
                "external_id": "1",
                "external_created_at": 1_400_005_000,
                "properties": {"plan": "pro", "seats": "3"},
            },
            "records": 2,
            "said": [
                [millis(1), True, "a", ["email", "createdAt", "traits.plan"], []],
                [millis(2), True, "b", ["external_id", "traits.seats"], []],
            ],
        },
        {
            "end_user": 1,
            "action": "eligibility_check",
            "key": event_key("c", "track", "1", "a", "Signed Up"),
            "former_key": "c",
            "time": millis(3),
            "call": {
                "event_name": "Signed Up",
                "email": "a@b.co",
                "external_id": "1",
                "end_user_created_at": 1_400_005_000,
                "properties": {"n": 4},
            },
        },
        {
            "end_user": 2,
            "action": "page_view",
            "key": key,
            "former_key": "d",
            "time": millis(4),
            "call": {"random": view.random, "email": "c@d.co", "path": "/home"},
        },
        {"end": {"create": 1, "update": 0, "eligibility_check": 1, "page_view": 1}},
    ]


def test_an_end_user_who_is_held_is_updated_by_their_id(save: Save) -> None:
    held = EndUser(77, "a@b.co", "1", None, None, {"plan": "free"})
    path = save(
        identify("1", 1, email="a@b.co", plan="pro"),
        identify("1", 2, plan="team"),
        find=lambda _: held,
        options=PlanOptions(fold=False),
    )
    updates = lines(path)[1:-1]
    assert [(each["action"], each["id"], each["fields"]) for each in updates] == [
        ("update", 77, {"properties": {"plan": "pro"}}),
        ("update", 77, {"properties": {"plan": "team"}}),
    ]


def test_an_update_of_whom_the_plan_creates_has_no_id(save: Save) -> None:
    path = save(
        identify("1", 1, email="a@b.co"),
        identify("1", 2, plan="team"),
        options=PlanOptions(fold=False),
    )
    create, update = lines(path)[1:-1]
    assert (create["action"], update["action"]) == ("create", "update")
    assert "id" not in create
    assert "id" not in update


def test_whoever_the_export_names_by_wootrics_own_id_is_written_to_that(save: Save) -> None:
    create = lines(save(identify("1", context=wootric_id("77"), plan="pro")))[1]
    assert (create["action"], create["id"]) == ("create", 77)
    assert create["fields"] == {"external_id": "1", "properties": {"plan": "pro"}}


def test_fields_without_a_value_are_not_saved(save: Save) -> None:
    create, check, view = lines(save(identify("1", email="a@b.co"), track("1", 1), page("1", 2)))[
        1:-1
    ]
    assert create["fields"] == {"email": "a@b.co", "external_id": "1"}
    assert set(check["call"]) == {"event_name", "email", "external_id"}
    assert set(view["call"]) == {"random", "email", "path"}


def test_what_is_unchanged_or_skipped_is_not_saved(save: Save) -> None:
    held = EndUser(77, "a@b.co", "1", None, None, {})
    path = save(identify("1", email="a@b.co"), page(None), find=lambda _: held)
    assert lines(path)[1:] == [end()]
    with PlanFile(path) as plan:
        assert len(plan) == 0
        assert not plan.has_tracks


def test_the_same_records_make_the_same_bytes_in_whatever_order(save: Save) -> None:
    records = [
        *(identify(f"u{n}", n, email=f"u{n}@b.co", plan="pro") for n in range(5)),
        *(page(f"u{n}", n, properties={"path": f"/{n}"}) for n in range(5)),
        track("9", context={"traits": {"phone": "+15550001"}}),
    ]
    first = save(*records).read_bytes()
    assert save(*reversed(records)).read_bytes() == first
    assert save([*records[5:]], [*records[:5]]).read_bytes() == first


def test_the_header_names_the_account_and_what_it_was_compared_with(path: Path) -> None:
    with PlanWriter(path, account="f1", against="snapshot") as writer:
        writer.finish()
    assert lines(path)[0] == {"wootric_replay_plan": 1, "account": "f1", "against": "snapshot"}
    with PlanFile(path) as plan:
        assert plan.account == "f1"


@pytest.mark.parametrize("earlier", [b"", text(whole(CREATE)), text([HEADER])])
def test_the_file_is_there_only_when_it_is_whole(path: Path, earlier: bytes) -> None:
    path.write_bytes(earlier)
    with PlanWriter(path, account=None, against="nothing"):
        assert path.read_bytes() == earlier
    assert path.read_bytes() == earlier
    assert list(path.parent.iterdir()) == [path]
    with PlanWriter(path, account=None, against="nothing") as writer:
        writer.finish()
    assert list(path.parent.iterdir()) == [path]
    assert steps(path) == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("earlier", [b"x", b"\n", b"{}", orjson.dumps(VIEW), b"\x1f\x8b"])
def test_a_file_that_is_no_plan_is_not_replaced(path: Path, earlier: bytes) -> None:
    path.write_bytes(earlier)
    with pytest.raises(FileExistsError):
        PlanWriter(path, account=None, against="nothing")
    assert path.read_bytes() == earlier
    assert list(path.parent.iterdir()) == [path]


def test_a_link_stays_one_and_what_it_leads_to_is_replaced(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with PlanWriter(path, account=None, against="nothing") as writer:
        writer.finish()
    assert path.is_symlink()
    assert steps(tmp_path / "elsewhere") == []


def test_a_folder_is_refused_and_so_is_one_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        PlanWriter(tmp_path, account=None, against="nothing")
    with pytest.raises(OSError, match="No such file"):
        PlanWriter(tmp_path / "deeper" / "plan", account=None, against="nothing")


# Round trips

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
_SOME = st.none() | _TEXT
_PROPERTIES = st.dictionaries(_TEXT, _TEXT | st.integers(-(2**63), 2**64 - 1), max_size=3)
_SECONDS = st.none() | st.integers(-(2**53), 2**53)
_UPSERTS = st.builds(
    EndUserUpsert,
    email=_SOME,
    external_id=_SOME,
    phone_number=_SOME,
    external_created_at=_SECONDS,
    properties=_PROPERTIES,
).filter(EndUserUpsert.fields)
_CHECKS = st.builds(
    EligibilityCheck,
    event_name=_TEXT,
    email=_SOME,
    external_id=_SOME,
    phone_number=_SOME,
    end_user_created_at=_SECONDS,
    language=_SOME,
    properties=_PROPERTIES,
).filter(lambda check: check.email or check.external_id or check.phone_number)
_VIEWS = st.builds(
    PageView,
    random=_TEXT,
    email=_TEXT.filter(bool),
    created_at=_SECONDS,
    url=_SOME,
    name=_SOME,
    path=_SOME,
)
_WRITES = st.tuples(_UPSERTS, st.sampled_from(["create", "update"]), st.none() | st.integers(1, 99))
_CALLS = st.tuples(_CHECKS | _VIEWS, _TEXT)
_END_USERS = st.lists(st.lists(_WRITES | _CALLS, min_size=1, max_size=4), max_size=4)


def rehearsed(number: int, step: Any) -> Rehearsed:
    """What a rehearsal gives where this is to be sent."""
    nothing: Any = ()
    end_user = EndUserPlan(Person(number, 0, 0, nothing, nothing), None, list)
    ref = Ref(1, "a", 1)
    if isinstance(step[0], EndUserUpsert):
        call, action, id_ = step
        held = EndUser(id_, None, None, None, None, {}) if id_ else None
        write = Write(call, {}, (ref,), (), b"the identifies")
        return Rehearsed(end_user, write, Outcome(action, (ref,), None), call, held, 0)
    call, key = step
    event = Event(ref, key, call)
    return Rehearsed(end_user, event, Outcome(event.action, (ref,), None), call, None, 0)


def write_key(call: EndUserUpsert) -> str:
    return Write(call, {}, (), (), b"the identifies").key


@settings(deadline=None)
@given(_END_USERS)
def test_every_call_comes_back_as_it_was_saved(
    tmp_path_factory: pytest.TempPathFactory, end_users: list[list[Any]]
) -> None:
    path = tmp_path_factory.mktemp("plan") / "plan"
    with PlanWriter(path, account=None, against="nothing") as writer:
        for number, each in enumerate(end_users, 1):
            for step in each:
                writer.add(rehearsed(number * 3, step))
        writer.finish()
    refs = places(path)
    next(refs)
    expected: list[list[Planned]] = [
        [
            PlannedWrite(next(refs), step[1], step[2], step[0], write_key(step[0]))
            if isinstance(step[0], EndUserUpsert)
            else PlannedCall(next(refs), step[1], step[0])
            for step in each
        ]
        for each in end_users
    ]
    assert steps(path) == expected
    with PlanFile(path) as plan:
        assert plan.counts.total() == sum(map(len, end_users))
        assert plan.has_tracks is any(
            isinstance(step[0], EligibilityCheck) for each in end_users for step in each
        )


SAID = {
    "said": [
        [5, False, "ab", [], []],
        [5, False, "cd", ["email"], ["traits.city"]],
        [NO_TIME, True, "m", ["traits.plan"], []],
    ],
    "traits": {"address_city": "address"},
    "known_as": [{"email": "old@b.co"}, {"external_id": "0"}],
}


def test_when_it_was_said_comes_back_as_it_was_saved(path: Path) -> None:
    path.write_bytes(text(whole({**CREATE, **SAID})))
    ((step,),) = steps(path)
    assert isinstance(step, PlannedWrite)
    assert step.history
    assert dict(step.history.statements.by_name) == {
        "email": (Order(5, False, "cd"), True),
        "traits.city": (Order(5, False, "cd"), False),
        "traits.plan": (Order(NO_TIME, True, "m"), True),
    }
    assert list(step.history.statements.unmarked[5]) == ["ab", "cd"]
    assert step.history.traits == {"address_city": "address"}
    assert step.identifiers == (EndUserUpsert(email="old@b.co"), EndUserUpsert(external_id="0"))


def test_the_other_ids_of_an_end_user_are_saved_with_a_write(save: Save) -> None:
    records = [
        identify("1", 1, email="old@b.co"),
        identify("2", 2, email="old@b.co"),
        identify("2", 3),
    ]
    path = save(*records, identify("2", 4, email="new@b.co", address={"city": "Rome"}))
    (line,) = [line for line in lines(path) if line.get("action") == "create"]
    assert line["known_as"] == [{"external_id": "1"}, {"email": "old@b.co"}]
    assert line["traits"] == {"address_city": "address"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"said": 5},
        {"said": {"email": 5}},
        {"said": [5]},
        {"said": [[5, True, "m", ["email"]]]},
        {"said": [[5, True, "m", ["email"], [], []]]},
        {"said": [[5, 1, "m", ["email"], []]]},
        {"said": [[5.0, True, "m", ["email"], []]]},
        {"said": [[2**63, True, "m", ["email"], []]]},
        {"said": [[5, True, None, ["email"], []]]},
        {"said": [[5, True, "m", [5], []]]},
        {"said": [[5, True, "m", None, []]]},
        {"said": [], "traits": ["a"]},
        {"said": [], "traits": {"a": 5}},
        {"known_as": 5},
        {"known_as": ["a@b.co"]},
        {"known_as": [{"properties": {"plan": "pro"}}]},
        {"known_as": [{"wootric_id": "7"}]},
        {"known_as": [{"email": None}]},
    ],
)
def test_what_can_not_be_understood_of_when_it_was_said_is_refused(
    path: Path, wrong: Fields
) -> None:
    path.write_bytes(text(whole({**CREATE, **wrong})))
    with pytest.raises(PlanFileError, match=r":2: the line is no part of a plan"):
        PlanFile(path)


def test_the_steps_of_each_end_user_are_theirs(path: Path) -> None:
    path.write_bytes(text(whole(*BODY)))
    _, second, third, fourth, fifth, _ = places(path)
    created = EndUserUpsert("a@b.co", properties={"plan": "pro", "seats_amount": 3})
    assert steps(path) == [
        [PlannedWrite(second, "create", None, created, line(CREATE))],
        [
            PlannedWrite(third, "update", 77, EndUserUpsert(external_created_at=0), line(UPDATE)),
            PlannedCall(fourth, "m-1", EligibilityCheck("Signed Up", "a@b.co")),
        ],
        [PlannedCall(fifth, "m-2", PageView("ab", "a@b.co", 5))],
    ]
    with PlanFile(path) as plan:
        actions = [step.action for index in range(3) for step in plan.steps(index)]
        assert actions == ["create", "update", "eligibility_check", "page_view"]
        assert plan.counts == {
            "create": 1, "update": 1, "eligibility_check": 1, "page_view": 1
        }  # fmt: skip


def test_the_line_that_something_was_sent_for_is_given_back(path: Path) -> None:
    path.write_bytes(text(whole(*BODY)))
    with PlanFile(path) as plan:
        assert [plan.raw(ref) for ref in places(path)] == path.read_bytes().splitlines()
        assert [plan.raw(step.ref) for step in plan.steps(1)] == [
            orjson.dumps(UPDATE),
            orjson.dumps(CHECK),
        ]


def test_eligibility_checks_are_counted_by_name(path: Path) -> None:
    other = {**CHECK, "call": {**CHECK["call"], "event_name": "Left"}}
    path.write_bytes(text(whole(CHECK, other, CHECK)))
    with PlanFile(path) as plan:
        assert plan.checks == {"Signed Up": 2, "Left": 1}
        assert plan.has_tracks


def test_several_threads_read_at_once_and_each_gets_its_own_steps(path: Path) -> None:
    people, each = 12, 30
    body = [{**VIEW, "end_user": n, "key": f"{n}:{k}"} for n in range(people) for k in range(each)]
    path.write_bytes(text(whole(*body)))
    together = threading.Barrier(people)

    def read(index: int) -> list[str]:
        together.wait(10)
        found = []
        for step in plan.steps(index):
            assert isinstance(step, PlannedCall)
            assert orjson.loads(plan.raw(step.ref))["key"] == step.key
            found.append(step.key)
        return found

    with PlanFile(path) as plan, ThreadPoolExecutor(people) as pool:
        found = list(pool.map(read, range(people)))
    assert found == [[f"{n}:{k}" for k in range(each)] for n in range(people)]


# What is refused


def refused(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(PlanFileError) as caught:
        PlanFile(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"not json\n",
        b"[1]\n",
        b"null\n",
        b"{}\n",
        b"\xff\xfe\n",
        b'{"type":"identify","userId":"1"}\n',
        b"\x1f\x8b\x08\x00",
        text(whole(*BODY)[1:]),
    ],
)
def test_what_is_no_plan_is_refused(path: Path, content: bytes) -> None:
    assert "is no plan" in refused(path, content)


_NO_VERSIONS: list[Any] = ["1", None, 1.0, True, 0, -1, []]
_NO_ACCOUNTS: list[Any] = [..., 5, [], True]


@pytest.mark.parametrize(
    "changes",
    [
        *[{"wootric_replay_plan": version} for version in _NO_VERSIONS],
        *[{"account": account} for account in _NO_ACCOUNTS],
    ],
)
def test_a_first_line_of_the_wrong_shape_is_refused(path: Path, changes: Fields) -> None:
    """A plan must not go to any account because its own is no longer legible."""
    header = {name: value for name, value in {**HEADER, **changes}.items() if value is not ...}
    assert f"{path}:1:" in refused(path, text([header, *whole(*BODY)[1:]]))


def test_what_is_no_file_is_no_plan(tmp_path: Path) -> None:
    with pytest.raises(PlanFileError, match="no file"):
        PlanFile(tmp_path)


def test_a_plan_of_a_newer_version_is_refused_with_its_number(path: Path) -> None:
    header = {**HEADER, "wootric_replay_plan": 4}
    assert "version 4" in refused(path, text([header, *whole(*BODY)[1:]]))


def test_a_plan_cut_at_any_byte_is_refused(path: Path) -> None:
    content = text(whole(*BODY))
    for length in range(len(content) - 1):
        refused(path, content[:length])
    path.write_bytes(content[:-1])  # all but the last line's end
    assert len(steps(path)) == 3


def test_a_plan_that_lacks_a_line_or_has_one_twice_is_refused(path: Path) -> None:
    full = whole(*BODY)
    for number in range(1, len(full)):
        refused(path, text(full[:number] + full[number + 1 :]))
        refused(path, text([*full[: number + 1], *full[number:]]))


@pytest.mark.parametrize(
    "last",
    [
        {"end": {**end(*BODY)["end"], "create": 2}},
        {"end": {**end(*BODY)["end"], "page_view": 0}},
        {"end": {"create": 1, "update": 1, "eligibility_check": 1}},
        {"end": {**end(*BODY)["end"], "more": 0}},
        {"end": 4},
        {"end": None},
        {"end": {}},
    ],
)
def test_a_plan_whose_last_line_counts_otherwise_is_refused(path: Path, last: Fields) -> None:
    assert "count" in refused(path, text([HEADER, *BODY, last]))


@pytest.mark.parametrize("more", [b"x", b"\n", text([CREATE]), text([end(*BODY)])])
def test_nothing_may_stand_after_the_last_line(path: Path, more: bytes) -> None:
    refused(path, text(whole(*BODY)) + more)


def test_the_lines_of_an_end_user_must_stand_together(path: Path) -> None:
    body = (CREATE, VIEW, {**VIEW, "end_user": 1})
    message = refused(path, text(whole(*body)))
    assert "together" in message
    assert f"{path}:4" in message


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        (CREATE, {"end_user": "1"}),
        (CREATE, {"end_user": None}),
        (CREATE, {"end_user": True}),
        (CREATE, {"end_user": 1.0}),
        (CREATE, {"action": "delete"}),
        (CREATE, {"action": "unchanged"}),
        (CREATE, {"action": None}),
        (CREATE, {"action": ["create"]}),
        (CREATE, {"fields": None}),
        (CREATE, {"fields": []}),
        (CREATE, {"fields": {}}),
        (CREATE, {"fields": {"properties": {}}}),
        (CREATE, {"fields": {"email": 1}}),
        (CREATE, {"fields": {"email": None}}),
        (CREATE, {"fields": {"emails": "a@b.co"}}),
        (CREATE, {"fields": {"wootric_id": "77"}}),
        (CREATE, {"fields": {"external_created_at": "5"}}),
        (CREATE, {"fields": {"external_created_at": 5.5}}),
        (CREATE, {"fields": {"external_created_at": True}}),
        (CREATE, {"fields": {"properties": "x"}}),
        (CREATE, {"fields": {"properties": {"a": None}}}),
        (CREATE, {"fields": {"properties": {"a": True}}}),
        (CREATE, {"fields": {"properties": {"a": 1.5}}}),
        (CREATE, {"fields": {"properties": {"a": {"b": "c"}}}}),
        (UPDATE, {"id": "77"}),
        (UPDATE, {"id": 7.5}),
        (UPDATE, {"id": True}),
        (UPDATE, {"id": [77]}),
        (UPDATE, {"id": 0}),
        (UPDATE, {"id": -7}),
        (CHECK, {"key": ...}),
        (CHECK, {"key": 7}),
        (CHECK, {"key": None}),
        (CHECK, {"call": {"event_name": "x"}}),
        (CHECK, {"call": {"event_name": "x", "email": ""}}),
        (VIEW, {"call": {"random": "ab"}}),
        (CHECK, {"call": ...}),
        (CHECK, {"call": {"email": "a@b.co"}}),
        (CHECK, {"call": {"event_name": 1, "email": "a@b.co"}}),
        (CHECK, {"call": {"event_name": "x", "email": "a@b.co", "random": "ab"}}),
        (CHECK, {"call": {"event_name": "x", "email": "a@b.co", "end_user_created_at": "5"}}),
        (VIEW, {"call": {"email": "a@b.co"}}),
        (VIEW, {"call": {"random": "ab", "email": "a@b.co", "properties": {}}}),
        (VIEW, {"call": {"random": 1, "email": "a@b.co"}}),
        (VIEW, {"action": "eligibility_check"}),
        (VIEW, {"action": ...}),
        (VIEW, {"end_user": ...}),
        (CREATE, {"fields": ...}),
    ],
)
def test_a_line_of_the_wrong_shape_is_refused_by_its_number(
    path: Path, line: Fields, changes: Fields
) -> None:
    changed = {name: value for name, value in {**line, **changes}.items() if value is not ...}
    body = tuple(changed if each is line else each for each in BODY)
    content = text([HEADER, *body, end(*BODY)])
    assert f"{path}:{BODY.index(line) + 2}:" in refused(path, content)


@pytest.mark.parametrize("number", [-1, -7])
def test_a_negative_number_of_an_end_user_is_refused_and_never_passed_over(
    path: Path, number: int
) -> None:
    body = [{**CREATE, "end_user": number}, UPDATE]
    assert f"{path}:2:" in refused(path, text(whole(*body)))


def test_the_first_end_user_may_have_the_number_0(path: Path) -> None:
    path.write_bytes(text(whole({**CREATE, "end_user": 0}, UPDATE)))
    assert [len(each) for each in steps(path)] == [1, 1]


@pytest.mark.parametrize("line", [b"{", b"[1]", b"7", b"", b"\xff{}", b'{"end_user":1,}'])
def test_a_line_that_is_no_object_is_refused_by_its_number(path: Path, line: bytes) -> None:
    content = text(whole(*BODY)).splitlines()
    content[3] = line
    assert f"{path}:4:" in refused(path, b"\n".join(content) + b"\n")


@pytest.mark.parametrize("by", [{"external_id": "1"}, {"phone_number": "+15550001"}])
def test_an_eligibility_check_may_name_its_user_by_id_or_phone(path: Path, by: Fields) -> None:
    path.write_bytes(text(whole({**CHECK, "call": {"event_name": "x", **by}})))
    ((step,),) = steps(path)
    assert isinstance(step, PlannedCall)
    assert step.call == EligibilityCheck("x", **by)


def test_a_file_that_is_refused_is_closed_again(path: Path, tmp_path: Path) -> None:
    for _ in range(3):
        refused(path, b"{}")
    with pytest.raises(OSError, match="No such file"):
        PlanFile(tmp_path / "missing")


@given(st.integers(0, len(text(whole(*BODY))) - 1), st.binary(max_size=2))
def test_a_changed_byte_never_makes_another_number_of_calls(
    tmp_path_factory: pytest.TempPathFactory, at: int, put: bytes
) -> None:
    content = text(whole(*BODY))
    path = tmp_path_factory.mktemp("plan") / "plan"
    path.write_bytes(content[:at] + put + content[at + 1 :])
    try:
        found = steps(path)
    except PlanFileError:
        return
    assert [[step.action for step in each] for each in found] in (
        [["create"], ["update", "eligibility_check"], ["page_view"]],
        [["create"], ["update", "eligibility_check", "page_view"]],
        [["create", "update", "eligibility_check"], ["page_view"]],
        [["create"], ["update"], ["eligibility_check"], ["page_view"]],
        [["create", "update"], ["eligibility_check"], ["page_view"]],
    )
