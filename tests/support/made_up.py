"""Made-up records of a few end users, some of whom turn out to be one, as hypothesis draws them."""

from hypothesis import strategies as st
from planned import at

_EMAILS = st.sampled_from(["a@b.co", "A@b.co", "c@d.co", "e@f.co"])
_USERS = st.sampled_from(["1", "2", "3", "4", "x@y.zz"])
_NOT_ALWAYS = {
    "email": _EMAILS | st.sampled_from(["n/a", "no email", 7]),
    "phone": st.sampled_from(["+15550001", "+15550002", "123", "unknown", None]),
    "plan": st.sampled_from(["free", "pro", None]),
    "createdAt": st.sampled_from([1_400_000_000, "2018-08-03", 0, "soon", None]),
    "created": st.sampled_from([1_500_000_000, False, "2100-01-01"]),
    "language": st.sampled_from(["en", "de", None]),
    "address": st.fixed_dictionaries({"city": st.sampled_from(["Rome", "Oslo"])}),
    "seats": st.integers(1, 2) | st.sampled_from([1.5, "x", [1, 2], "2024-02-29"]),
}
_TRAITS = st.fixed_dictionaries({}, optional=_NOT_ALWAYS)
_PROPERTIES = {
    "email": _EMAILS,
    "path": st.sampled_from(["/a", "", 7, {"a": "b"}]),
    "url": st.sampled_from(["https://a.example/a", None]),
    "due": st.sampled_from(["2024-02-29", "soon", 3, 3.0, 3.5, True, [1], [[1]]]),
    "due_date": st.sampled_from(["2024-02-29", "x"]),
    "a.b": st.just("c"),
    "seats": st.sampled_from([1, 2.5, ["a"], "x"]),
    "note": st.sampled_from(["x" * 3000, "\u00e9" * 1200, "\u00e9" * 1500, " " * 8000]),
}
_EVENTS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["track", "page"]),
        "event": st.sampled_from(["Signed Up", "Left"]),
        "properties": st.fixed_dictionaries({}, optional=_PROPERTIES),
        "context": st.fixed_dictionaries({}, optional={"traits": _TRAITS}),
    }
)
_ALIASES = st.fixed_dictionaries({"type": st.just("alias"), "previousId": _USERS})
RECORDS = st.tuples(
    st.fixed_dictionaries({"type": st.just("identify"), "traits": _TRAITS}) | _EVENTS | _ALIASES,
    st.fixed_dictionaries(
        {"anonymousId": st.sampled_from("ab")},
        optional={"userId": _USERS, "messageId": st.sampled_from("mno")},
    ),
    st.none() | st.integers(0, 5).map(at),
).map(lambda parts: {**parts[0], **parts[1], "timestamp": parts[2]})
"""Any record that may be planned, or an alias."""
