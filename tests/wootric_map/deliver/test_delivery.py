"""Carrying a plan out: real plans, delivered to a sandbox over real HTTP."""

import asyncio
import io
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from replaying import identify, page, track
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from wootric_map import PlanOptions, ReadingOptions, discover, plan_records, rehearse
from wootric_map.deliver.account_view import AccountView
from wootric_map.deliver.delivery import deliver, deliver_file
from wootric_map.deliver.journal import Journal
from wootric_map.errors import PlanFileError, SignInRefusedError, UnreachableError
from wootric_map.model import EndUser, EndUserUpsert, Failure, Outcome, Skip
from wootric_map.plan.engine.spool import Spool
from wootric_map.plan.plan import Plan
from wootric_map.plan.plan_file import PlanFile
from wootric_map.plan.plan_writer import PlanWriter
from wootric_map.plan.steps import Find
from wootric_map.report import Report
from wootric_map.sandbox import (
    Fault,
    FaultRule,
    ResetConnection,
    RunningSandbox,
    SandboxRequest,
    SandboxSettings,
    run_sandbox,
)
from wootric_map.wootric.auth import ClientCredentials
from wootric_map.wootric.client import Wootric
from wootric_map.wootric.pace import Pace
from wootric_map.wootric.regions import services

Fields = Mapping[str, Any]
END_USERS = "/v1/end_users"


@dataclass
class Account:
    """A sandbox, and pushes to it in a folder of their own."""

    sandbox: RunningSandbox
    folder: Path
    stop: threading.Event = field(default_factory=threading.Event)
    give_up_after: float = 120.0

    @contextmanager
    def client(self) -> Iterator[Wootric]:
        settings = self.sandbox.settings

        def wait(_: float) -> bool:
            return self.stop.is_set()  # no pause is slept through

        client = Wootric(
            services(settings.account_token, self.sandbox.base_url),
            settings.account_token,
            ClientCredentials(settings.client_id, settings.client_secret),
            Pace(None, wait=wait),
            wait=wait,
            retries=1,
            give_up_after=self.give_up_after,
        )
        with closing(client):
            yield client

    def hold(self, *upserts: EndUserUpsert) -> None:
        """Have the account hold end users before the push."""
        with self.client() as client:
            for each in upserts:
                client.create(each)

    def registered(self) -> frozenset[str]:
        """The events that the account knows, without asking it."""
        return frozenset(self.sandbox.settings.registered_events)

    @contextmanager
    def delivering(
        self,
        records: Iterable[Fields],
        workers: int = 4,
        *,
        find: Find | None = None,
        asks: bool = True,
        options: PlanOptions | None = None,
        events_first: bool = False,
    ) -> Iterator[Iterator[Outcome]]:
        """Plan the records, and give the outcomes as they come; asks the account if there is no `find`."""
        with ExitStack() as stack:
            plan = self._plan(records, options, stack)
            client = stack.enter_context(self.client())
            yield deliver(
                plan,
                client,
                registered=self.registered(),
                workers=workers,
                stop=self.stop,
                account=AccountView(
                    find=find or (client.find if asks else None), is_snapshot=find is not None
                ),
                journal=stack.enter_context(Journal.temporary()),
                events_first=events_first,
            )

    def _plan(
        self, records: Iterable[Fields], options: PlanOptions | None, stack: ExitStack
    ) -> Plan:
        path = self.folder / "export.ndjson"
        path.write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in records))
        return plan_records(
            discover([str(path)]),
            ReadingOptions(),
            options or PlanOptions(),
            stack.enter_context(Spool()),
            Report(),
            stdin=io.BytesIO(),
        )

    def push(self, *records: Fields, workers: int = 4, **options: Any) -> list[Outcome]:
        with self.delivering(records, workers, **options) as outcomes:
            # The records of a write are read as they are asked for.
            return [each._replace(refs=tuple(each.refs)) for each in outcomes]

    def save(
        self, *records: Fields, find: Find | None = None, options: PlanOptions | None = None
    ) -> Path:
        """The plan of the records as a file."""
        path = self.folder / "plan"
        with ExitStack() as stack:
            plan = self._plan(records, options, stack)
            saved = stack.enter_context(PlanWriter(path, account=None, against="nothing"))
            for each in rehearse(plan, None, find):
                saved.add(each)
            saved.finish()
        return path

    def push_file(self, path: Path, workers: int = 4) -> list[Outcome]:
        with self.client() as client, PlanFile(path) as plan, Journal.temporary() as journal:
            return list(
                deliver_file(
                    plan,
                    client,
                    registered=self.registered(),
                    workers=workers,
                    stop=self.stop,
                    journal=journal,
                )
            )

    def requests(self, method: str = "", path: str = "") -> list[Mapping[str, Any]]:
        return [
            each
            for each in self.sandbox.requests
            if str(each["path"]).startswith(path) and method in ("", each["method"])
        ]

    def users(self) -> dict[str | None, Any]:
        """What the account holds, by external id."""
        return {each.external_id: each for each in self.sandbox.state.end_users}


AccountOf = Callable[..., Account]


@pytest.fixture
def account_of(tmp_path: Path) -> Iterator[AccountOf]:
    with ExitStack() as stack:

        def start(*faults: FaultRule, **settings: Any) -> Account:
            running = run_sandbox(SandboxSettings(faults=faults, **settings))
            return Account(stack.enter_context(running), tmp_path)

        yield start


@pytest.fixture
def account(account_of: AccountOf) -> Account:
    return account_of()


@pytest.fixture(autouse=True)
def no_thread_outlives_its_test() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) - before == set()


def users(count: int) -> list[dict[str, Any]]:
    return [identify(f"u{n}", f"u{n}@example.com") for n in range(count)]


def summed(outcomes: Iterable[Outcome]) -> Counter[str]:
    """How often each action was done; a skip or failure stands under its code."""
    return Counter(each.result.code if each.result else each.action for each in outcomes)


def answering(
    answer: ASGIApp, times: int = 10**9, *, method: str, path: str, carried_out: bool = False
) -> FaultRule:
    """A fault for the first requests of a method below a path."""
    left = [times]

    def rule(request: SandboxRequest) -> Fault | None:
        if request.method == method and request.path.startswith(path) and left[0]:
            left[0] -= 1
            return Fault(answer, carried_out)
        return None

    return rule


# Outcomes.


def test_each_call_has_an_outcome_that_names_its_records(account: Account) -> None:
    outcomes = account.push(
        identify("1", "ada@example.com"),
        track("1"),
        page("1"),
        identify("1", plan="pro"),
        page("stranger"),
    )
    assert sorted((each.action, [ref.line for ref in each.refs]) for each in outcomes) == [
        ("create", [1, 4]),
        ("eligibility_check", [2]),
        ("page_view", [3]),
        ("page_view", [5]),
    ]
    assert summed(outcomes) == {
        "create": 1,
        "eligibility_check": 1,
        "page_view": 1,
        "unidentified": 1,
    }


def test_an_empty_plan_calls_nobody(account: Account) -> None:
    assert account.push() == []
    assert account.sandbox.requests == ()


def test_an_end_user_that_the_account_holds_otherwise_is_sent_what_differs(
    account: Account,
) -> None:
    account.hold(EndUserUpsert("ada@example.com", "1", properties={"plan": "free", "seats": 3}))
    outcomes = account.push(identify("1", "ADA@example.com", plan="pro", seats=3))
    assert summed(outcomes) == {"update": 1}
    (put,) = account.requests("PUT")
    assert put["form"] == {"properties[plan]": "pro"}


def test_an_end_user_that_the_account_holds_as_wanted_is_not_written(account: Account) -> None:
    records = [identify("1", "ada@example.com", plan="pro"), identify("2", phone="+4911111")]
    outcomes = account.push(*records)
    assert summed(outcomes) == {"create": 2}
    assert summed(account.push(*records)) == {"unchanged": 2}
    assert len(account.requests("POST", END_USERS)) == 2
    assert account.requests("PUT") == []


def test_an_end_user_with_no_email_or_phone_is_not_created_but_is_updated(account: Account) -> None:
    account.hold(EndUserUpsert("ada@example.com", "1"))
    outcomes = account.push(identify("1", plan="pro"), identify("2", plan="pro"), page("2"))
    assert summed(outcomes) == {"update": 1, "unidentified": 2}
    assert account.users()["1"].properties == {"plan": "pro"}
    assert list(account.users()) == ["1"]


def test_an_event_is_sent_with_what_the_account_knows_of_its_user(account: Account) -> None:
    account.hold(EndUserUpsert("ada@example.com", "1"))
    assert summed(account.push(track("1"), page("1"))) == {"eligibility_check": 1, "page_view": 1}
    (view,) = account.sandbox.state.page_views
    assert view.params["email"] == "ada@example.com"
    assert len(account.requests("GET", f"{END_USERS}/1")) == 1


def test_an_event_that_is_not_registered_is_skipped_without_a_call(account: Account) -> None:
    outcomes = account.push(identify("1", "ada@example.com"), track("1", "signed up"), track("2"))
    assert summed(outcomes) == {"create": 1, "event_not_registered": 1, "unidentified": 1}
    assert all(isinstance(each.result, Skip) for each in outcomes if each.result)
    assert account.requests(path="/eligible") == []


def test_what_wootric_refuses_fails_with_its_own_words_and_holds_the_events_back(
    account_of: AccountOf,
) -> None:
    refusal = JSONResponse({"error": "Validation failed: Email is invalid"}, 422)

    def refusing(request: SandboxRequest) -> Fault | None:
        return Fault(refusal) if request.form.get("email") == "a@refused.example" else None

    account = account_of(refusing)
    outcomes = account.push(identify("1", "a@refused.example"), page("1"), *users(1))
    failures = {each.action: each.result for each in outcomes if isinstance(each.result, Failure)}
    assert set(failures) == {"create", "page_view"}
    assert (failures["create"].code, failures["create"].status) == ("refused", 422)
    assert "Email is invalid" in failures["create"].message
    assert "Email is invalid" in (failures["create"].body or "")
    assert failures["page_view"].code == "end_user_failed"
    assert account.sandbox.state.page_views == ()
    assert summed(outcomes)["create"] == 1


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_server_error_that_stays_fails_one_end_user_alone(
    account_of: AccountOf, method: str
) -> None:
    down = JSONResponse({"error": "Down"}, 503)
    account = account_of(answering(down, method=method, path=f"{END_USERS}/1"))
    account.hold(EndUserUpsert("ada@example.com", "1"))
    outcomes = account.push(
        identify("1", "ada@example.com", plan="pro"), identify("2", "bob@example.com")
    )
    assert summed(outcomes) == {"server_error": 1, "create": 1}


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_create_that_nobody_answered_is_looked_up_and_never_made_twice(
    account_of: AccountOf, carried_out: bool
) -> None:
    reset = answering(ResetConnection(), 1, method="POST", path=END_USERS, carried_out=carried_out)
    account = account_of(reset)
    outcomes = account.push(identify("1", "ada@example.com"), page("1"))
    assert summed(outcomes) == {"create": 1, "page_view": 1}
    assert len(account.sandbox.state.end_users) == 1
    assert len(account.requests("POST", END_USERS)) == (1 if carried_out else 2)


def test_an_end_user_who_cannot_be_looked_up_fails_with_all_their_events(
    account_of: AccountOf,
) -> None:
    down = JSONResponse({"error": "Down"}, 503)
    account = account_of(answering(down, method="GET", path=f"{END_USERS}/1"))
    outcomes = account.push(identify("1", "ada@example.com"), page("1"), track("1"))
    assert summed(outcomes) == {"server_error": 1, "end_user_failed": 2}
    assert account.sandbox.state.page_views == ()


def test_a_create_that_is_never_answered_is_in_doubt(account_of: AccountOf) -> None:
    account = account_of(answering(ResetConnection(), method="POST", path=END_USERS))
    outcomes = account.push(identify("1", "ada@example.com"), page("1"))
    assert summed(outcomes) == {"in_doubt": 1, "end_user_failed": 1}


@pytest.mark.parametrize("path", ["/pixel.gif", "/eligible.json"])
def test_an_event_that_nobody_answered_is_in_doubt_and_not_sent_again(
    account_of: AccountOf, path: str
) -> None:
    lost = answering(ResetConnection(), method="GET", path=path, carried_out=True)
    account = account_of(lost)
    event = page("1") if path == "/pixel.gif" else track("1")
    outcomes = account.push(identify("1", "ada@example.com"), event)
    assert summed(outcomes) == {"create": 1, "in_doubt": 1}
    assert len(account.requests(path=path)) == 1


def test_somebody_else_creating_the_end_user_first_makes_it_an_update(
    account_of: AccountOf,
) -> None:
    overtaken: list[SandboxRequest] = []

    def overtake(request: SandboxRequest) -> None:
        """Create the end user as live traffic would, just before our request is carried out."""
        if request.method == "POST" and not overtaken:
            overtaken.append(request)
            form = {"email": "ada@example.com", "properties[plan]": "free", "properties[of]": "x"}
            running.sandbox.state.create_end_user(replace(request, form=form))

    running = account_of(overtake)
    outcomes = running.push(identify("1", "ada@example.com", plan="pro"), page("1"))
    assert overtaken
    assert summed(outcomes) == {"update": 1, "page_view": 1}
    (held,) = running.sandbox.state.end_users
    assert held.external_id == "1"
    assert held.properties == {"plan": "pro", "of": "x"}


def test_two_end_users_of_the_account_that_an_export_makes_one_fail_without_a_loop(
    account: Account,
) -> None:
    account.hold(EndUserUpsert("ada@example.com"), EndUserUpsert("bob@example.com", "1"))
    outcomes = account.push(identify("1", "ada@example.com"))
    assert summed(outcomes) == {"refused": 1}
    assert {each.email for each in account.sandbox.state.end_users} == {
        "ada@example.com",
        "bob@example.com",
    }


# Where end users are looked up.


def in_snapshot(*held: EndUser) -> Find:
    """Looks end users up by external id, among these."""
    by_id = {each.external_id: each for each in held}
    return lambda wanted: by_id.get(wanted.external_id)


def test_end_users_are_looked_up_where_the_caller_says_and_the_account_is_not_asked(
    account: Account,
) -> None:
    account.hold(EndUserUpsert("ada@example.com", "1", properties={"plan": "pro"}))
    stale = EndUser(1, "ada@example.com", "1", None, None, {"plan": "free", "city": "Rome"})
    outcomes = account.push(
        identify("1", plan="pro", city="Rome"), page("1"), find=in_snapshot(stale)
    )
    assert summed(outcomes) == {"update": 1, "page_view": 1}
    assert account.requests("GET", END_USERS) == []
    (put,) = account.requests("PUT")
    assert put["form"] == {"properties[plan]": "pro"}


def test_a_snapshot_knows_users_of_whom_the_export_says_too_little(account: Account) -> None:
    held = EndUser(1, "ada@example.com", "1", None, None, {})
    assert summed(account.push(page("1"), page("2"), find=in_snapshot(held))) == {
        "page_view": 1,
        "unidentified": 1,
    }
    (view,) = account.sandbox.state.page_views
    assert view.params["email"] == "ada@example.com"


def test_an_end_user_whom_the_snapshot_does_not_know_is_updated_if_the_account_has_them(
    account: Account,
) -> None:
    account.hold(EndUserUpsert("ada@example.com", "1", properties={"plan": "free", "of": "x"}))
    outcomes = account.push(identify("1", "ada@example.com", plan="pro"), find=in_snapshot())
    assert summed(outcomes) == {"update": 1}
    assert [each["form"] for each in account.requests("PUT")] == [{"properties[plan]": "pro"}]


def test_an_end_user_whom_only_the_snapshot_has_left_is_created(account: Account) -> None:
    gone = EndUser(99, "ada@example.com", "1", None, None, {"plan": "pro"})
    outcomes = account.push(
        identify("1", "ada@example.com", plan="team"), page("1"), find=in_snapshot(gone)
    )
    assert summed(outcomes) == {"create": 1, "page_view": 1}
    assert account.users()["1"].properties == {"plan": "team"}


def test_without_a_look_up_nobody_is_known_but_by_wootrics_own_id(account: Account) -> None:
    account.hold(EndUserUpsert("ada@example.com", "1"))
    context = {"externalId": [{"type": "wootricEndUserId", "id": "1"}]}
    outcomes = account.push(
        identify("7", plan="pro") | {"context": context},
        identify("2", "bob@example.com"),
        page("3"),
        asks=False,
    )
    assert summed(outcomes) == {"create": 2, "unidentified": 1}, "for all that is known"
    assert account.requests("GET", END_USERS) == []
    assert [each["path"] for each in account.requests("PUT")] == [f"{END_USERS}/1"]
    assert account.users()["7"].email == "ada@example.com"


def by_wootric_id(number: str) -> dict[str, Any]:
    return {"context": {"externalId": [{"type": "wootricEndUserId", "id": number}]}}


@pytest.mark.parametrize("saved", [True, False])
def test_a_wootric_id_that_leads_nowhere_creates_whoever_has_an_email(
    account: Account, saved: bool
) -> None:
    record = identify("1", "ada@example.com") | by_wootric_id("99")
    outcomes = (
        account.push_file(account.save(record)) if saved else account.push(record, asks=False)
    )
    assert summed(outcomes) == {"create": 1}
    assert list(account.users()) == ["1"]


def test_a_wootric_id_that_leads_nowhere_is_not_enough_to_create_somebody(account: Account) -> None:
    (outcome,) = account.push(identify("1", plan="pro") | by_wootric_id("99"), asks=False)
    assert outcome.result is not None
    assert account.sandbox.state.end_users == ()


@pytest.mark.parametrize("saved", [True, False])
def test_unfolded_all_writes_of_a_wootric_id_go_to_that(account: Account, saved: bool) -> None:
    account.hold(EndUserUpsert("ada@example.com"))
    records = [
        identify("7", plan=plan) | by_wootric_id("1") | stamped(minute)
        for minute, plan in enumerate("abc")
    ]
    unfolded = PlanOptions(fold=False)
    outcomes = (
        account.push_file(account.save(*records, options=unfolded))
        if saved
        else account.push(*records, asks=False, options=unfolded)
    )
    assert [each.result for each in outcomes] == [None] * 3
    (held,) = account.sandbox.state.end_users
    assert (held.external_id, held.properties) == ("7", {"plan": "c"})
    assert {each["path"] for each in account.requests("PUT")} == {f"{END_USERS}/1"}


def test_who_has_only_a_shared_phone_is_not_looked_up_and_nothing_is_sent(account: Account) -> None:
    account.hold(EndUserUpsert(phone_number="+15550001"))
    by_phone = {"context": {"traits": {"phone": "+15550001"}}, "anonymousId": "a"}
    outcomes = account.push(
        identify("1", "ada@example.com", phone="+15550001"),
        identify("2", "bob@example.com", phone="+15550001"),
        {"type": "identify", "anonymousId": "a", "traits": {"phone": "+15550001", "plan": "pro"}},
        {"type": "track", "event": "Signed Up", **by_phone},
        {"type": "page", **by_phone},
    )
    assert summed(outcomes) == {"create": 2, "unidentified": 3}
    reasons = {each.result.reason for each in outcomes if isinstance(each.result, Skip)}
    assert reasons == {"shared_phone"}
    assert account.requests("GET", f"{END_USERS}/phone_number") == []
    assert account.requests(path="/eligible") == []


# Unfolded.


def test_unfolded_each_identify_is_a_call_of_its_own_and_events_come_after_them(
    account: Account,
) -> None:
    outcomes = account.push(
        identify("1", "ada@example.com", plan="a") | stamped(1),
        page("1", "/2") | stamped(2),
        identify("1", plan="b") | stamped(3),
        identify("1", plan="b") | stamped(4),
        page("1", "/5") | stamped(5),
        options=PlanOptions(fold=False),
    )
    assert [(each.action, [ref.line for ref in each.refs]) for each in outcomes] == [
        ("create", [1]),
        ("update", [3]),
        ("unchanged", [4]),
        ("page_view", [2]),
        ("page_view", [5]),
    ]
    assert len(account.requests("GET", END_USERS)) == 2, "once by external id, once by email"
    assert [each["form"] for each in account.requests("PUT")] == [{"properties[plan]": "b"}]


@pytest.mark.parametrize(
    ("events_first", "expected"),
    [
        # In time order, the write after it makes good for the events that follow.
        (True, ["", "", "refused", "end_user_failed", "", ""]),
        # The last write decides about all events.
        (False, ["", "refused", "", "", "", ""]),
    ],
)
def test_unfolded_a_write_that_fails_holds_back_the_events_before_the_next(
    account_of: AccountOf, *, events_first: bool, expected: list[str]
) -> None:
    down = answering(JSONResponse({"error": "No"}, 422), 1, method="PUT", path=END_USERS)
    account = account_of(down)
    outcomes = account.push(
        identify("1", "ada@example.com") | stamped(1),
        page("1") | stamped(2),
        identify("1", plan="a") | stamped(3),
        page("1") | stamped(4),
        identify("1", plan="b") | stamped(5),
        page("1") | stamped(6),
        options=PlanOptions(fold=False),
        events_first=events_first,
    )
    assert [each.result.code if each.result else "" for each in outcomes] == expected


# Order.


def stamped(minute: int) -> dict[str, str]:
    return {"timestamp": f"2024-03-01T10:{minute:02}:00Z"}


@pytest.mark.parametrize("workers", [1, 6])
def test_an_end_users_calls_go_in_time_order_their_own_call_first(
    account: Account, workers: int
) -> None:
    people, minutes = 8, 6
    records = [
        page(f"u{person}", f"/{minute}") | stamped(minute)
        for minute in reversed(range(minutes))
        for person in range(people)
    ]
    account.push(*records, *users(people), workers=workers)
    views: dict[str, list[str]] = defaultdict(list)
    for view in account.sandbox.state.page_views:
        views[view.params["email"]].append(view.params["page_info[path]"])
    assert len(views) == people
    assert all(paths == [f"/{minute}" for minute in range(minutes)] for paths in views.values())
    begun: set[str] = set()
    for request in account.requests():
        if request["path"] == END_USERS:
            begun.add(request["form"]["email"])
        if request["path"] == "/pixel.gif":
            assert request["query"]["email"] in begun


def test_an_end_users_outcomes_come_in_the_order_of_their_calls(account: Account) -> None:
    outcomes = account.push(
        *users(6), *(page(f"u{n}", f"/{m}") for m in range(5) for n in range(6))
    )
    lines: dict[int, list[int]] = defaultdict(list)
    for each in outcomes:
        (line,) = [ref.line for ref in each.refs]
        lines[(line - 1) % 6].append(line)
    assert len(lines) == 6
    assert all(found == sorted(found) for found in lines.values())


@dataclass
class UnderWay:
    """Answers after a while, and notes how many requests about one end user are under way at once."""

    now: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    most_of_all: int = 0

    def slowly(self, about: str, answer: ASGIApp) -> ASGIApp:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            self.now[about] += 1
            self.most[about] = max(self.most[about], self.now[about])
            self.most_of_all = max(self.most_of_all, self.now.total())
            await asyncio.sleep(0.03)
            self.now[about] -= 1
            await answer(scope, receive, send)

        return app


def test_one_end_users_calls_are_never_under_way_at_once_but_several_end_users_are(
    account_of: AccountOf,
) -> None:
    under_way = UnderWay()

    def rule(request: SandboxRequest) -> Fault | None:
        about = request.query.get("email") or request.form.get("email")
        if about is None or request.path.startswith(END_USERS):
            return None
        return Fault(under_way.slowly(about, Response()), carried_out=True)

    account = account_of(rule)
    events = [page(f"u{n}", f"/{m}") for m in range(4) for n in range(6)]
    account.push(*users(6), *events, *(track(f"u{n}") for n in range(6)), workers=6)
    assert len(account.sandbox.state.page_views) == 24
    assert set(under_way.most.values()) == {1}
    assert under_way.most_of_all > 1


def test_two_entries_that_only_the_account_knows_to_be_one_end_user_take_turns(
    account_of: AccountOf,
) -> None:
    under_way = UnderWay()

    def rule(request: SandboxRequest) -> Fault | None:
        if request.method != "PUT":
            return None
        about = request.path_params["id"]
        return Fault(under_way.slowly(about, JSONResponse({"id": int(about)})), carried_out=True)

    account = account_of(rule)
    account.hold(
        *(EndUserUpsert(f"u{n}@example.com", f"u{n}") for n in range(4)),
    )
    by_id = [identify(f"u{n}", plan="pro", team="red") for n in range(4)]
    by_email = [
        {
            "type": "identify",
            "anonymousId": f"a{n}",
            "traits": {"email": f"u{n}@example.com", "plan": "pro", "city": "Kiel"},
        }
        for n in range(4)
    ]
    outcomes = account.push(*by_id, *by_email, workers=8)
    assert summed(outcomes) == {"update": 8}
    assert under_way.most == dict.fromkeys("1234", 1)
    assert under_way.most_of_all > 1
    held = [each.properties for each in account.sandbox.state.end_users]
    assert held == [{"plan": "pro", "team": "red", "city": "Kiel"}] * 4
    # Whoever came second saw what the first had written, and sent only what was left.
    assert Counter("properties[plan]" in each["form"] for each in account.requests("PUT")) == {
        True: 4,
        False: 4,
    }


# How a run ends.


@pytest.mark.parametrize("workers", [1, 4])
def test_told_to_stop_it_finishes_what_is_under_way_and_gives_its_outcomes(
    account_of: AccountOf, workers: int
) -> None:
    account = account_of(latency=0.005)
    records = [*users(40), *(page(f"u{n}", f"/{m}") for n in range(40) for m in range(3))]
    outcomes = []
    with account.delivering(records, workers) as coming:
        for outcome in coming:
            outcomes.append(outcome)
            if len(outcomes) == 6:
                account.stop.set()
    done = summed(outcomes)
    assert len(outcomes) < 6 + 3 * workers
    # Nothing was sent that has no outcome.
    assert done["create"] == len(account.sandbox.state.end_users)
    assert done["page_view"] == len(account.sandbox.state.page_views)
    assert set(done) <= {"create", "page_view"}


def test_told_to_stop_before_it_begins_it_sends_nothing(account: Account) -> None:
    account.stop.set()
    assert account.push(*users(3)) == []
    assert account.sandbox.requests == ()


def test_a_stopped_run_can_be_taken_up_again(account_of: AccountOf) -> None:
    account = account_of(latency=0.005)
    with account.delivering(users(12)) as coming:
        first = [next(coming)]
        account.stop.set()
        first += coming
    assert 0 < len(first) < 12
    account.stop.clear()
    second = summed(account.push(*users(12)))
    assert second == {"unchanged": len(first), "create": 12 - len(first)}


def test_what_ends_the_run_is_raised_after_all_outcomes_were_given(account_of: AccountOf) -> None:
    refused = JSONResponse({"error": "No API access"}, 401)
    account = account_of(answering(refused, method="GET", path=f"{END_USERS}/u15"), latency=0.005)
    outcomes: list[Outcome] = []
    with (
        account.delivering(users(40)) as coming,
        pytest.raises(SignInRefusedError, match="No API access"),
    ):
        outcomes.extend(coming)
    assert summed(outcomes) == {"create": len(account.sandbox.state.end_users)}
    assert 0 < len(outcomes) < 40


def test_an_account_that_does_not_answer_ends_the_run_before_all_is_tried(
    account_of: AccountOf,
) -> None:
    account = account_of(answering(ResetConnection(), method="GET", path=END_USERS))
    account.give_up_after = 1e-6
    outcomes: list[Outcome] = []
    with account.delivering(users(40), 2) as coming, pytest.raises(UnreachableError):
        outcomes.extend(coming)
    assert outcomes == []
    assert 0 < len(account.requests(path=END_USERS)) < 5


def workers() -> list[str]:
    """The names of the threads that deliver."""
    return [each.name for each in threading.enumerate() if each.name.startswith("worker-")]


def test_outcomes_that_nobody_takes_any_more_leave_no_thread_and_no_further_calls(
    account_of: AccountOf,
) -> None:
    account = account_of(latency=0.005)
    with account.delivering(users(200)) as coming:
        next(coming)
        assert len(workers()) == 4
        assert hasattr(coming, "close")
        coming.close()
        assert workers() == []
    sent = len(account.sandbox.requests)
    assert len(account.sandbox.state.end_users) < 30
    assert len(account.sandbox.requests) == sent


def test_a_caller_who_leaves_while_many_outcomes_wait_does_not_hang(account: Account) -> None:
    # More outcomes than may wait, none of which costs a call: the workers are held up by the caller.
    records = [track(f"u{n}", "not registered") for n in range(6000)]
    with account.delivering(records) as coming:
        next(coming)
        assert hasattr(coming, "close")
        coming.close()
    assert account.requests(path="/eligible") == []


def test_an_error_of_the_callers_own_ends_the_run_too(account_of: AccountOf) -> None:
    account = account_of(latency=0.005)

    def break_off() -> None:
        with account.delivering(users(200)) as coming, closing(coming):  # type: ignore[type-var]
            for _ in coming:
                raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        break_off()
    assert len(account.sandbox.state.end_users) < 30


def test_more_workers_than_end_users_are_no_harm(account: Account) -> None:
    assert summed(account.push(*users(2), workers=32)) == {"create": 2}


def test_a_large_plan_is_delivered_whole(account: Account) -> None:
    records = [*users(40), *(page(f"u{n % 40}", f"/{n}") for n in range(400))]
    outcomes = account.push(*records, *(track(f"u{n}", "other") for n in range(3000)), workers=8)
    assert summed(outcomes) == {"create": 40, "page_view": 400, "event_not_registered": 3000}
    lines = [ref.line for each in outcomes for ref in each.refs]
    assert sorted(lines) == list(range(1, 3441))


# A plan that was saved.


def test_a_saved_plan_does_what_a_push_of_the_records_does(account_of: AccountOf) -> None:
    records = [
        identify("1", "ada@example.com", plan="pro", createdAt=1_400_000_000) | stamped(1),
        track("1", properties={"n": "x"}) | stamped(2),
        page("1", "/a") | stamped(3),
        identify("2", phone="+4911111") | stamped(4),
        track("2") | stamped(5),
        page("3") | stamped(6),
    ]
    pushed, filed = account_of(), account_of()
    outcomes = pushed.push(*records, asks=False)
    done = filed.push_file(filed.save(*records))
    assert summed(outcomes) - summed(done) == {"unidentified": 1}
    held = [
        {
            name: (user.email, user.phone_number, user.external_created_at, user.properties)
            for name, user in one.users().items()
        }
        for one in (pushed, filed)
    ]
    assert held[0] == held[1]
    assert len(held[0]) == 2
    for path in ("/pixel.gif", "/eligible.json"):
        sent = [[each["query"] for each in one.requests(path=path)] for one in (pushed, filed)]
        assert sorted(map(str, sent[0])) == sorted(map(str, sent[1]))
        assert sent[0]
    assert filed.requests("GET", END_USERS) == []


def test_each_outcome_of_a_saved_plan_names_its_line(account: Account) -> None:
    path = account.save(identify("1", "ada@example.com"), page("1"), track("1"))
    outcomes = account.push_file(path)
    assert [(each.action, ref.source, ref.line) for each in outcomes for ref in each.refs] == [
        ("create", str(path), 2),
        ("page_view", str(path), 3),
        ("eligibility_check", str(path), 4),
    ]
    with PlanFile(path) as plan:
        keys = [orjson.loads(plan.raw(ref))["action"] for each in outcomes for ref in each.refs]
    assert keys == [each.action for each in outcomes]


def test_a_saved_create_of_somebody_who_is_there_by_now_fails_and_changes_nothing(
    account: Account,
) -> None:
    path = account.save(identify("1", "ada@example.com", plan="pro"), page("1"), track("1"))
    account.hold(EndUserUpsert("ada@example.com", "1", properties={"plan": "free"}))
    outcomes = account.push_file(path)
    assert [each.result and each.result.code for each in outcomes] == [
        "refused", "end_user_failed", "end_user_failed"
    ]  # fmt: skip
    (held,) = account.sandbox.state.end_users
    assert held.properties == {"plan": "free"}
    assert account.requests("PUT") == []
    assert account.sandbox.state.page_views == ()
    assert account.requests(path="/eligible") == []


def test_a_saved_update_goes_to_its_id_with_its_fields_whatever_is_there_by_now(
    account: Account,
) -> None:
    held = EndUser(1, "ada@example.com", "1", None, None, {"plan": "free"})
    path = account.save(identify("1", "ada@example.com", plan="pro"), find=in_snapshot(held))
    account.hold(EndUserUpsert("other@example.com", properties={"plan": "pro"}))
    assert summed(account.push_file(path)) == {"update": 1}
    (put,) = account.requests("PUT")
    assert (put["path"], put["form"]) == (f"{END_USERS}/1", {"properties[plan]": "pro"})


def test_a_saved_update_of_somebody_who_is_gone_fails_and_creates_nobody(account: Account) -> None:
    held = EndUser(9, "ada@example.com", "1", None, None, {"plan": "free"})
    path = account.save(
        identify("1", "ada@example.com", plan="pro"), page("1"), find=in_snapshot(held)
    )
    first, second = account.push_file(path)
    assert isinstance(first.result, Failure)
    assert first.result.status == 404
    assert isinstance(second.result, Failure)
    assert second.result.code == "end_user_failed"
    assert account.sandbox.state.end_users == ()


def unfolded(account: Account) -> Path:
    """A plan that creates somebody and changes them twice, and somebody else."""
    return account.save(
        identify("1", "ada@example.com", plan="a") | stamped(1),
        identify("1", plan="b") | stamped(2),
        page("1") | stamped(3),
        identify("1", plan="c") | stamped(4),
        identify("2", "bob@example.com", plan="x") | stamped(5),
        options=PlanOptions(fold=False),
    )


def test_a_saved_update_without_an_id_goes_to_whom_the_plan_created(account: Account) -> None:
    account.hold(EndUserUpsert("carol@example.com", "3"))
    assert summed(account.push_file(unfolded(account), workers=1)) == {
        "create": 2, "update": 2, "page_view": 1
    }  # fmt: skip
    assert {each["path"] for each in account.requests("PUT")} == {f"{END_USERS}/2"}
    assert account.users()["1"].properties == {"plan": "c"}
    assert account.users()["2"].properties == {"plan": "x"}
    assert account.users()["3"].properties == {}


def test_a_saved_update_of_somebody_who_was_not_created_is_not_sent(account: Account) -> None:
    path = unfolded(account)
    account.hold(EndUserUpsert("ada@example.com"))
    outcomes = account.push_file(path, workers=1)
    assert [each.result and each.result.code for each in outcomes] == [
        "refused", "end_user_failed", "end_user_failed", None, "end_user_failed"
    ]  # fmt: skip
    assert account.requests("PUT") == []
    assert account.users()[None].properties == {}


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_saved_create_that_nobody_answered_is_looked_up_and_never_made_twice(
    account_of: AccountOf, carried_out: bool
) -> None:
    reset = answering(ResetConnection(), 1, method="POST", path=END_USERS, carried_out=carried_out)
    account = account_of(reset)
    outcomes = account.push_file(unfolded(account), workers=1)
    assert summed(outcomes) == {"create": 2, "update": 2, "page_view": 1}
    assert account.users()["1"].properties == {"plan": "c"}, "the updates went to the same"
    assert len(account.requests("POST", END_USERS)) == (2 if carried_out else 3)


def test_a_saved_create_that_nobody_answered_while_somebody_else_made_one_is_in_doubt(
    account_of: AccountOf,
) -> None:
    def overtake(request: SandboxRequest) -> Fault | None:
        if request.method != "POST" or running.sandbox.state.end_users:
            return None
        running.sandbox.state.create_end_user(
            replace(request, form={"email": "ada@example.com", "properties[plan]": "free"})
        )
        return Fault(ResetConnection(), carried_out=False)

    running = account_of(overtake)
    outcomes = running.push_file(running.save(identify("1", "ada@example.com", plan="pro")))
    assert summed(outcomes) == {"in_doubt": 1}
    (held,) = running.sandbox.state.end_users
    assert held.properties == {"plan": "free"}


def test_a_saved_create_that_is_never_answered_is_in_doubt(account_of: AccountOf) -> None:
    account = account_of(answering(ResetConnection(), method="POST", path=END_USERS))
    path = account.save(identify("1", "ada@example.com"), page("1"))
    assert summed(account.push_file(path)) == {"in_doubt": 1, "end_user_failed": 1}
    assert len(account.requests("POST", END_USERS)) == 3


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_saved_update_that_nobody_answered_is_made_again(
    account_of: AccountOf, carried_out: bool
) -> None:
    reset = answering(ResetConnection(), 1, method="PUT", path=END_USERS, carried_out=carried_out)
    account = account_of(reset)
    account.hold(EndUserUpsert("ada@example.com", "1"))
    held = EndUser(1, "ada@example.com", "1", None, None, {})
    path = account.save(identify("1", plan="pro"), find=in_snapshot(held))
    assert summed(account.push_file(path)) == {"update": 1}
    assert account.users()["1"].properties == {"plan": "pro"}


@pytest.mark.parametrize("path", ["/pixel.gif", "/eligible.json"])
def test_a_saved_call_that_nobody_answered_is_in_doubt_and_not_sent_again(
    account_of: AccountOf, path: str
) -> None:
    account = account_of(answering(ResetConnection(), method="GET", path=path, carried_out=True))
    event = page("1") if path == "/pixel.gif" else track("1")
    outcomes = account.push_file(account.save(identify("1", "ada@example.com"), event))
    assert summed(outcomes) == {"create": 1, "in_doubt": 1}
    assert len(account.requests(path=path)) == 1


def test_a_saved_check_of_an_event_that_is_not_registered_is_skipped(account: Account) -> None:
    path = account.save(identify("1", "ada@example.com"), track("1", "signed up"), track("1"))
    assert summed(account.push_file(path)) == {
        "create": 1, "event_not_registered": 1, "eligibility_check": 1
    }  # fmt: skip
    assert len(account.requests(path="/eligible")) == 1


def test_a_saved_plan_of_wootrics_own_id_is_written_to_that(account: Account) -> None:
    account.hold(EndUserUpsert("ada@example.com", "1"))
    context = {"externalId": [{"type": "wootricEndUserId", "id": "1"}]}
    path = account.save(identify("7", plan="pro") | {"context": context})
    assert summed(account.push_file(path)) == {"create": 1}
    (held,) = account.sandbox.state.end_users
    assert (held.external_id, held.email) == ("7", "ada@example.com")
    assert held.properties == {"plan": "pro"}


@pytest.mark.parametrize("workers", [1, 6])
def test_a_saved_plan_of_many_is_done_whole_and_each_end_users_calls_in_order(
    account: Account, workers: int
) -> None:
    people, minutes = 30, 5
    views = [
        page(f"u{person}", f"/{minute}") | stamped(minute)
        for minute in reversed(range(minutes))
        for person in range(people)
    ]
    outcomes = account.push_file(account.save(*views, *users(people)), workers=workers)
    assert summed(outcomes) == {"create": people, "page_view": people * minutes}
    paths: dict[str, list[str]] = defaultdict(list)
    for view in account.sandbox.state.page_views:
        paths[view.params["email"]].append(view.params["page_info[path]"])
    assert len(paths) == people
    assert all(found == [f"/{minute}" for minute in range(minutes)] for found in paths.values())


def test_told_to_stop_a_saved_plan_sends_nothing_more(account_of: AccountOf) -> None:
    account = account_of(latency=0.005)
    path = account.save(*users(40), *(page(f"u{n}") for n in range(40)))
    outcomes: list[Outcome] = []
    with account.client() as client, PlanFile(path) as plan, Journal.temporary() as journal:
        for outcome in deliver_file(
            plan, client, registered=frozenset(), workers=2, stop=account.stop, journal=journal
        ):
            outcomes.append(outcome)
            account.stop.set()
    assert 0 < len(outcomes) < 6
    done = summed(outcomes)
    assert done["create"] == len(account.sandbox.state.end_users)
    assert done["page_view"] == len(account.sandbox.state.page_views)


@pytest.mark.parametrize("part", ["create", "page_view"])
def test_what_ends_the_writes_or_the_events_beside_them_ends_both_and_is_raised(
    account_of: AccountOf, part: str
) -> None:
    account = account_of(latency=0.01)
    path = account.save(*users(100), *(page(f"u{n}") for n in range(100)))
    outcomes: list[Outcome] = []
    with account.client() as client, PlanFile(path) as plan, Journal.temporary() as journal:
        # Whoever changes the plan now does so behind the back of the run.
        lines = path.read_bytes().splitlines(keepends=True)
        (at, *_) = (n for n, line in enumerate(lines) if b"u5@" in line and part.encode() in line)
        lines[at] = b"x" * (len(lines[at]) - 1) + b"\n"
        path.write_bytes(b"".join(lines))
        with pytest.raises(PlanFileError, match=rf":{at + 1}: the line is not whole"):
            outcomes += deliver_file(
                plan,
                client,
                registered=frozenset(),
                workers=4,
                stop=account.stop,
                journal=journal,
                may_send_beside=lambda: True,
            )
    assert account.stop.is_set()
    # Each had begun, and neither was at its end.
    assert part == "create" or account.sandbox.state.page_views
    assert len(account.sandbox.state.page_views) < len(account.sandbox.state.end_users) < 100


# Who is there already, and is to stay as they are.


def test_a_fill_looks_again_at_whom_another_delivery_has_let_go_of_meanwhile(
    account: Account,
) -> None:
    account.hold(EndUserUpsert("ada@example.com", "1"))
    late, done = threading.Event(), threading.Event()
    with account.client() as client:

        def find(wanted: EndUserUpsert) -> EndUser | None:
            found = client.find(wanted)
            if wanted.external_id == "x":
                # What was found is handed over only once the other end user is written.
                late.set()
                assert done.wait(10)
            else:
                assert late.wait(10)
            return found

        options = PlanOptions(existing="fill")
        records = [identify("1", plan="pro"), identify("x", "ada@example.com", plan="max")]
        with account.delivering(records, 2, find=find, options=options) as outcomes:
            found = next(outcomes)
            done.set()
            rest = list(outcomes)
    assert summed([found, *rest]) == {"update": 1, "left": 1}
    assert account.users()["1"].properties == {"plan": "pro"}


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_fill_that_cannot_look_fails_the_end_user(account_of: AccountOf, method: str) -> None:
    down = JSONResponse({"error": "Down"}, 503)
    account = account_of(answering(down, method=method, path=f"{END_USERS}/1"))
    account.hold(EndUserUpsert("ada@example.com", "1", properties={"plan": "free"}))
    outcomes = account.push(
        identify("1", plan="pro", city="Rome"), options=PlanOptions(existing="fill")
    )
    assert summed(outcomes) == {"server_error": 1}
    assert account.users()["1"].properties == {"plan": "free"}
