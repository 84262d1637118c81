"""Which traits look secret or personal."""

import pytest

from wootric_map.inspection.sensitive import HIDDEN, is_secret, looks_like, without_secrets


@pytest.mark.parametrize(
    "name",
    ["password", "userPassword", "PASSWORD_HASH", "api_key", "apiKey", "accessToken", "ssn", "creditCard",
     "credit_card_number", "x-auth-token", "cvv", "client secret"],
)  # fmt: skip
def test_a_secret_is_told_by_its_name(name: str) -> None:
    assert is_secret([name])
    assert looks_like([name], ["anything"]) == "secret"
    assert looks_like(["billing", name, "value"], [1]) == "secret"


@pytest.mark.parametrize(
    "name", ["plan", "passport_country", "pinned", "assn", "company", "tokenized"]
)
def test_a_harmless_name_is_no_secret(name: str) -> None:
    assert not is_secret([name])


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("email", "email"),
        ("workEmail", "email"),
        ("phone", "phone"),
        ("First Name", "name"),
        ("dateOfBirth", "birth_date"),
        ("dob", "birth_date"),
        ("last_ip", "ip_address"),
        ("street", "address"),
        ("postal_code", "address"),
        ("zip", "address"),
        ("bic", "bank_account"),
        ("iban", "secret"),
        ("passport_no", "secret"),
        ("latitude", "location"),
    ],
)
def test_what_is_personal_is_told_by_its_name(name: str, what: str) -> None:
    assert looks_like([name], ["x"]) == what


@pytest.mark.parametrize(
    "name", ["plan", "seats", "company_name", "shipped", "zipped", "description"]
)
def test_a_harmless_name_is_not_personal(name: str) -> None:
    assert looks_like([name], ["x", 1]) is None


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("ada@example.com", "email"),
        ("+44 20 7946 0001", "phone"),
        ("203.0.113.7", "ip_address"),
        ("2001:db8::1", "ip_address"),
        ("4111 1111 1111 1111", "card"),
        (4111111111111111, "card"),
        ("DE89 3704 0044 0532 0130 00", "bank_account"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl", "secret"),
        ("sk_live_0123456789abcdef", "secret"),
    ],
)
def test_what_is_personal_is_told_by_the_form_of_values(value: object, what: str) -> None:
    assert looks_like(["x"], [value]) == what


@pytest.mark.parametrize(
    "value",
    ["4111 1111 1111 1112", "0000000000000000", 1709542800000, "1.2.3", "999.1.1.1", "12:30", "::",
     "DE89 3704 0044 0532 0130 01", True, None, ["a"], "", "x" * 5000, 1.5],
)  # fmt: skip
def test_what_only_resembles_it_is_not_personal(value: object) -> None:
    assert looks_like(["x"], [value]) in (None, "ip_address" if value == "::" else None)


def test_one_odd_value_does_not_make_a_trait_personal() -> None:
    assert looks_like(["note"], ["a", "b", "c", "ada@example.com"]) is None


def test_a_secret_in_an_example_is_hidden() -> None:
    value = [{"user": "ada", "password": "hunter2", "keys": [{"api_key": "k"}]}, "4111111111111111"]
    assert without_secrets(value) == [
        {"user": "ada", "password": HIDDEN, "keys": [{"api_key": HIDDEN}]},
        HIDDEN,
    ]
