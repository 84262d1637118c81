"""wootric.md 7: responses and declines."""

from collections.abc import Callable

import pytest
import requests

from wootric_map.sandbox import RunningSandbox

Call = Callable[..., requests.Response]
RESPONSES = "/v1/end_users/1/responses"
DECLINES = "/v1/end_users/1/declines"


@pytest.fixture(autouse=True)
def ann(call: Call) -> None:
    call("POST", "/v1/end_users", {"email": "ann@example.com", "properties[plan]": "gold"})


def test_a_response(sandbox: RunningSandbox, call: Call) -> None:
    reply = call(
        "POST",
        RESPONSES,
        {
            "score": "9",
            "text": "Fine & good",
            "ip_address": "192.0.2.1",
            "origin_url": "https://x.io/",
            "created_at": "1650000000",
            "end_user[properties][city]": "Oslo",
        },
    )
    assert reply.status_code == 201
    assert reply.json() == {
        "id": 1,
        "end_user_id": 1,
        "score": 9,
        "text": "Fine & good",
        "ip_address": "192.0.2.1",
        "origin_url": "https://x.io/",
        "created_at": 1_650_000_000,
        "updated_at": 1_700_000_000,
    }
    end_user = call("GET", "/v1/end_users/1").json()
    assert end_user["last_response"] == reply.json()
    assert end_user["properties"] == {"plan": "gold", "city": "Oslo"}
    assert end_user["last_surveyed"] is None
    assert [response.score for response in sandbox.state.responses] == [9]


def test_last_response_is_the_newest_not_the_last_sent(call: Call) -> None:
    for at in ("1650000000", "1660000000", "1640000000"):
        call("POST", RESPONSES, {"score": "5", "created_at": at})
    last = call("GET", "/v1/end_users/1").json()["last_response"]
    assert last["created_at"] == 1_660_000_000


@pytest.mark.parametrize("score", ["0", "10"])
def test_scores_that_are_scores(call: Call, score: str) -> None:
    assert call("POST", RESPONSES, {"score": score}).json()["score"] == int(score)


@pytest.mark.parametrize("score", [None, "", "11", "-1", "7.5", "ten", "٣"])
def test_scores_that_are_none(sandbox: RunningSandbox, call: Call, score: str | None) -> None:
    reply = call("POST", RESPONSES, {} if score is None else {"score": score})
    assert reply.status_code == 422
    assert reply.json()["error"].startswith("Validation failed: Score ")
    assert sandbox.state.responses == ()


@pytest.mark.parametrize("extra", [{"created_at": "yesterday"}, {"end_user[properties][a.b]": "x"}])
@pytest.mark.parametrize("path", [RESPONSES, DECLINES])
def test_other_rules_hold_too(call: Call, path: str, extra: dict[str, str]) -> None:
    assert call("POST", path, {"score": "1"} | extra).status_code == 422


def test_a_decline(sandbox: RunningSandbox, call: Call) -> None:
    form = {"origin_url": "https://x.io/", "end_user[properties][city]": "Oslo"}
    reply = call("POST", DECLINES, form)
    assert reply.status_code == 201
    assert reply.json() == {
        "id": 1,
        "end_user_id": 1,
        "origin_url": "https://x.io/",
        "created_at": 1_700_000_000,
        "updated_at": 1_700_000_000,
    }
    assert call("GET", "/v1/end_users/1").json()["properties"]["city"] == "Oslo"
    assert len(sandbox.state.declines) == 1


@pytest.mark.parametrize("path", [RESPONSES, DECLINES])
def test_a_repeat_is_recognised_by_its_time(call: Call, path: str) -> None:
    for at in ("1650000000", "1640000000", "1650000000"):
        call("POST", path, {"score": "5", "created_at": at})

    def ids(query: str) -> list[int]:
        return [row["id"] for row in call("GET", f"{path}?{query}").json()]

    assert ids("") == [2, 1, 3]
    assert ids("created[eq]=1650000000") == [1, 3]
    assert ids("created%5Beq%5D=1630000000") == []
    assert ids("per_page=2&page=2") == [3]
    assert call("GET", f"{path}?created[gte]=1").status_code == 422
    assert call("GET", f"{path}?per_page=51").status_code == 422
