"""Which track records are survey responses and declines, and what they say (wootric.md 7)."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_map.errors import SettingsError
from wootric_map.mapping.calls import call_for
from wootric_map.mapping.rewriting import Rewriting
from wootric_map.mapping.rules import MappingRules, NameRules, ResponseRules, TraitRules
from wootric_map.mapping.settings import map_record
from wootric_map.model import EligibilityCheck, NamedRule, Rejection, Skip
from wootric_map.read.ordinary_record import is_ordinary, ordinary
from wootric_map.read.record import Track, read_line
from wootric_map.survey_calls import SurveyDecline, SurveyResponse

TIME = "2024-01-01T00:00:01.999Z"
SECOND = 1_704_067_201
NPS = ResponseRules(event="NPS", score="properties.score", text="properties.comment")


def data_of(**fields: Any) -> dict[str, Any]:
    return {"type": "track", "userId": "u1", "event": "NPS", "timestamp": TIME} | fields


def read(
    rules: ResponseRules = NPS, more: MappingRules | None = None, **fields: Any
) -> Track | Skip | Rejection:
    """What becomes of a track record by the rules."""
    configured = MappingRules(
        traits=more.traits if more else TraitRules(),
        events=more.events if more else NameRules(),
        responses=rules,
    )
    configured.check()
    [found] = read_line(json.dumps(data_of(**fields)).encode())
    told = Rewriting(configured).of(found.reading)
    assert isinstance(told, Track | Skip | Rejection)
    return told


def call(rules: ResponseRules = NPS, **fields: Any) -> object:
    """The call of a track record by itself."""
    found = read(rules, **fields)
    assert isinstance(found, Track), found
    return call_for(map_record(found), "")


def score_of(value: object) -> object:
    found = read(properties={"score": value})
    return found.survey and found.survey.score if isinstance(found, Track) else found.code


def marked(kind: object, name: str = "Wootric", key: str = "eventType") -> Mapping[str, Any]:
    return {"All": True, name: {key: kind}}


def test_a_named_event_is_a_response_with_all_that_wootric_takes() -> None:
    assert call(
        properties={"score": 9, "comment": " fine "},
        context={"ip": " 2001:DB8::1 ", "page": {"url": " https://example.com/a "}},
    ) == SurveyResponse(
        9, SECOND, "fine", "2001:db8::1", "https://example.com/a", None, None, "u1", None
    )


def test_a_record_that_rudderstack_marks_says_so_itself() -> None:
    told = {"feedbackScore": "0", "feedbackText": "bad", "score": 9}
    response = call(event="Any", properties=told, integrations=marked("create response"))
    assert response == SurveyResponse(0, SECOND, "bad", external_id="u1")
    page = {"page": {"url": "https://example.com/"}, "ip": "192.0.2.1"}
    decline = call(event="Any", context=page, integrations=marked("create decline"))
    assert decline == SurveyDecline(SECOND, "https://example.com/", external_id="u1")


@pytest.mark.parametrize(
    "integrations",
    [
        marked("Create Response"),
        marked("create_response"),
        marked("create response", name="wootric"),
        marked("create response", key="event_type"),
        json.dumps(marked("create response")),
        {"Wootric": json.dumps({"eventType": "create response"})},
    ],
)
def test_a_mark_counts_in_any_spelling(integrations: object) -> None:
    found = call(event="Any", properties={"feedbackScore": 1}, integrations=integrations)
    assert isinstance(found, SurveyResponse)


@pytest.mark.parametrize(
    "integrations",
    [
        marked("create or update end user"),
        marked(None),
        marked(["create response"]),
        marked("create response", name="Other"),
        {"Wootric": True},
        {"Wootric": {}},
    ],
)
def test_any_other_mark_leaves_an_event_an_event(integrations: object) -> None:
    assert isinstance(call(event="Any", integrations=integrations), EligibilityCheck)


def test_marks_count_no_more_if_the_user_says_so() -> None:
    rules = ResponseRules(by_event_type=False)
    assert isinstance(call(rules, integrations=marked("create response")), EligibilityCheck)


def test_an_opt_out_goes_before_a_mark() -> None:
    integrations = {"Wootric": {"eventType": "create response", "enabled": False}}
    found = read(properties={"feedbackScore": 1}, integrations=integrations)
    assert isinstance(found, Skip)
    assert found.code == "integration_disabled"


def test_a_named_event_says_what_it_says_where_its_rules_say_also_if_it_is_marked() -> None:
    told = {"feedbackScore": 1, "score": 9}
    found = call(properties=told, integrations=marked("create decline"))
    assert found == SurveyResponse(9, SECOND, external_id="u1")


@given(st.integers(0, 10))
def test_a_score_is_a_whole_number_however_it_is_written(score: int) -> None:
    for written in (score, float(score), str(score), f" {score}.0 ", f"{score}.00"):
        assert score_of(written) == score


@given(
    st.one_of(
        st.integers(max_value=-1),
        st.integers(min_value=11),
        st.floats(allow_nan=False, allow_infinity=False).filter(
            lambda x: not (0 <= x <= 10 and x == int(x))
        ),
        st.text().filter(lambda text: not text.strip().isascii() or not text.strip()[:1].isdigit()),
        st.booleans(),
        st.none(),
        st.just([]),
        st.just({}),
    )
)
def test_anything_else_is_no_score(value: object) -> None:
    assert score_of(value) == "invalid_score"


def test_the_rejection_names_the_place_and_what_to_do() -> None:
    rules = ResponseRules(event="NPS", score="properties.answers.nps")
    found = read(rules, properties={"answers": {"nps": "ten"}})
    assert isinstance(found, Rejection)
    assert found.field == "properties.answers.nps"
    assert '"ten"' in found.message
    assert "--response-score" in found.message
    found = read(event="Any", integrations=marked("create response"))
    assert isinstance(found, Rejection)
    assert found.field == "properties.feedbackScore"
    assert "--response-score" not in found.message


@pytest.mark.parametrize(
    ("properties", "context", "score"),
    [
        ({"a": {"b": 1}}, {}, 1),
        ({"a.b": 2}, {}, 2),
        ({"a.b": 3, "a": {"b": 1}}, {}, 3),
        ({"a": "text"}, {}, None),
        ({"a": [{"b": 1}]}, {}, None),
        ({}, {"a": {"b": 1}}, None),
    ],
)
def test_a_place_is_found_within_objects_and_in_keys_with_dots(
    properties: Mapping[str, Any], context: Mapping[str, Any], score: int | None
) -> None:
    found = read(
        ResponseRules(event="NPS", score="properties.a.b"), properties=properties, context=context
    )
    assert (found.survey and found.survey.score if isinstance(found, Track) else None) == score


def test_a_place_may_be_in_the_context() -> None:
    rules = ResponseRules(event="NPS", score="context.survey.score", text="context.survey.why")
    context = {"survey": {"score": 4, "why": 5}}
    assert call(rules, context=context) == SurveyResponse(4, SECOND, "5", external_id="u1")


def test_what_is_no_text_and_no_address_is_left_out_and_said() -> None:
    found = read(properties={"score": 9, "comment": ["a"]}, context={"ip": "here"})
    assert isinstance(found, Track)
    assert [(each.code, each.field) for each in found.warnings] == [
        ("unsupported_value", "properties.comment"),
        ("unsupported_value", "context.ip"),
    ]
    assert found.survey
    assert (found.survey.text, found.survey.ip_address) == (None, None)


@pytest.mark.parametrize("time", [None, "1970-01-01T00:00:00Z", "2100-01-01", "0001-01-01"])
@pytest.mark.parametrize("kind", ["response", "decline"])
def test_without_a_plausible_time_it_is_rejected_since_wootric_would_date_it_now(
    time: str | None, kind: str
) -> None:
    told = {"feedbackScore": 1}
    found = read(event="x", timestamp=time, properties=told, integrations=marked(f"create {kind}"))
    assert isinstance(found, Rejection)
    assert (found.code, found.field) == ("invalid_timestamp", "timestamp")


def test_the_time_of_a_wrong_clock_is_that_of_its_receipt() -> None:
    found = read(timestamp="2031-01-01T00:00:00Z", receivedAt=TIME, properties={"score": 1})
    assert isinstance(found, Track)
    assert found.survey
    assert found.survey.created_at == SECOND


def test_its_properties_go_nowhere_and_give_no_warning() -> None:
    found = read(properties={"score": 9, "seats": 3, "products": [{"a": 1}]})
    assert isinstance(found, Track)
    assert map_record(found).warnings == ()


def test_a_property_that_is_left_out_is_no_text_of_a_response() -> None:
    more = MappingRules(traits=TraitRules(exclude=("comment",)))
    found = read(NPS, more, properties={"score": 9, "comment": "private"})
    assert isinstance(found, Track)
    assert found.survey
    assert found.survey.text is None


@pytest.mark.parametrize("excluded", ["score", "*", "s*re"])
def test_a_property_that_is_left_out_is_the_score_of_a_response_all_the_same(excluded: str) -> None:
    more = MappingRules(traits=TraitRules(exclude=(excluded,)))
    found = read(NPS, more, properties={"score": 9, "ssn": "1"})
    assert isinstance(found, Track)
    assert found.survey
    assert found.survey.score == 9


def test_rules_for_events_leave_out_no_event_that_is_named_as_a_response() -> None:
    more = MappingRules(events=NameRules(only=("Order Completed",)))
    found = read(NPS, more, properties={"score": 9})
    assert isinstance(found, Track)
    assert found.survey
    # One that is only marked is left out as any other event.
    found = read(NPS, more, event="Any", integrations=marked("create decline"))
    assert isinstance(found, Skip)
    assert found.code == "filtered_out"


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"event": " "}, "no name"),
        ({"event": "A", "decline_event": "A"}, "name two"),
        ({"event": "A", "score": "score"}, "properties.score"),
        ({"event": "A", "score": "traits.score"}, "no place"),
        ({"event": "A", "text": "properties."}, "no place"),
    ],
)
def test_rules_that_cannot_be_followed_are_refused(rules: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        ResponseRules(**rules)  # type: ignore[arg-type]


def test_an_event_cannot_be_both_left_out_and_a_response() -> None:
    rules = MappingRules(events=NameRules(exclude=("N*",)), responses=NPS)
    with pytest.raises(SettingsError, match="leave NPS out"):
        rules.check()


def test_an_event_that_is_named_and_never_met_is_told() -> None:
    rules = MappingRules(responses=ResponseRules(event="NPS*", decline_event="Declined"))
    rewriting = Rewriting(rules)
    assert set(rules.named()) == {NamedRule("event", "NPS*"), NamedRule("event", "Declined")}
    [found] = read_line(json.dumps(data_of(event="NPS 2", properties={"score": 1})).encode())
    rewriting.of(found.reading)
    assert rewriting.met == {NamedRule("event", "NPS*")}


# The quick ways.


@given(
    event=st.sampled_from(["NPS", "Other"]),
    integrations=st.sampled_from(
        [
            None, {}, {"All": True}, {"Wootric": True}, {"Wootric": {"a": 1}},
            marked("create response"), marked("x"), marked("create decline", key="Event Type"),
        ]
    ),
    named=st.booleans(),
)  # fmt: skip
def test_no_quick_way_takes_one_for_an_event(event: str, integrations: Any, *, named: bool) -> None:
    data = data_of(
        event=event, integrations=integrations, properties={"score": 1, "feedbackScore": 2}
    )
    rewriting = Rewriting(MappingRules(responses=NPS if named else ResponseRules()))
    [found] = read_line(json.dumps(data).encode())
    exact = rewriting.of(found.reading)
    assert isinstance(exact, Track)
    if is_ordinary(data) and not rewriting.concerns(data):
        assert exact.survey is None
        assert exact == ordinary(data)
