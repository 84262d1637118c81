"""Made-up traits of several end users that are of one shape, or nearly, as hypothesis draws them."""

from typing import Any

from hypothesis import strategies as st

_TEXTS = st.sampled_from(
    [
        "x",
        "",
        " ",
        "2024-02-29",
        "1999-01-01T10:00:00Z",
        "2024-02-30",
        "abcd-e",
        "100%",
        "%s %b",
        "n/a",
        "\u00e9\u202e",
        'a "quoted" text',
        "\x7f",
        "\U0001f600" * 70,
        "y" * 250,
        "a\nb",
        "\u2028",
    ]
)
_INTEGERS = st.sampled_from(
    [0, 7, -1, 1_400_000_000, 999_999_999, 10_000_000_000, 2**63, 2**64 - 1, 2**64, -(2**63) - 1]
)
_FLOATS = st.sampled_from([0.5, 2.5, -0.5, 3.0, 1e-9, 1e22, 1e300, 0.1 + 0.2, float("inf")])
_LISTS: st.SearchStrategy[list[Any]] = st.lists(
    st.sampled_from(["a", "b,c", "2024-02-29", "\u202e"])
    | st.sampled_from([1, 2.0, None, True, [], {}]),
    max_size=3,
)
_EMAILS = st.sampled_from(
    ["a@b.co", "A.B+c@d.co", " a@b.co", "e@f.co ", "\u00e9@b.co", "none", "a b@c.co"]
)
_PHONES = st.sampled_from(["+1 555 0100", " 15550100", "123", "", "2024-02-29", "unknown"])
_DATES = st.sampled_from(
    ["2018-08-03T15:28:46.493Z", "2018-08-03", "soon", "", 1_400_000_000, 1_400_000_000_000, 0, 2.5]
)
_OF_TYPE = {
    str: _TEXTS,
    int: _INTEGERS,
    float: _FLOATS,
    bool: st.booleans(),
    list: _LISTS,
    type(None): st.none(),
}
_KEYS = st.sampled_from(
    [
        "plan",
        "seats",
        "seats_amount",
        "born_date",
        "born",
        "tags_array",
        "id",
        "language",
        "a.b",
        "a",
        "b",
        "",
        "$x",
        "100%",
        "Email",
        "E-mail",
        "date",
        "amount",
        "a_b",
        "na me",
        "\u00e9",
        "context",
        "x" * 60,
        "first_date",
        "a_date",
        "id_date",
        "phone_date",
        "email_address",
        "\u202e",
    ]
)
_STANDARD = st.sampled_from(
    ["email", "EMAIL", "phone", "Phone", "created", "createdAt", "created_at"]
)


@st.composite
def _value_of(draw: st.DrawFn, kind: Any) -> Any:
    """A value of a type, or an object of such values, by a key each."""
    if isinstance(kind, dict):
        return {key: draw(_value_of(inner)) for key, inner in kind.items()}
    return draw(kind)


_LEAVES = st.sampled_from([*_OF_TYPE.values(), _TEXTS, _TEXTS])
_KINDS = st.recursive(
    _LEAVES, lambda inner: st.dictionaries(_KEYS, inner, max_size=3), max_leaves=5
)
_OF_STANDARD = {
    "email": _EMAILS | _EMAILS | st.sampled_from([7, None]),
    "phone": _PHONES | _PHONES | st.sampled_from([15550100, None, 0, True, 2.0, 5550100.5]),
    "created": _DATES | _DATES | st.sampled_from([None, False, True, []]),
}


def _of_standard(key: str) -> Any:
    """The values that a standard trait may have."""
    return next(each for name, each in _OF_STANDARD.items() if key.lower().startswith(name))


@st.composite
def traits_of_one_shape(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The traits of some end users: the same keys in the same order, most values of the same types."""
    kinds: dict[str, Any] = {"email": st.sampled_from(["a@b.co", "c@d.co"])}
    for key in draw(st.lists(_KEYS | _STANDARD, max_size=6, unique=True)):
        is_standard = key.lower().startswith(tuple(_OF_STANDARD)) and key != "email_address"
        kinds[key] = _of_standard(key) if is_standard else draw(_KINDS)
    keys = draw(st.permutations(list(kinds)))
    return [
        {key: draw(_value_of(kinds[key])) for key in keys} for _ in range(draw(st.integers(3, 5)))
    ]
