"""Signing in (wootric.md 2): three grants, and access tokens that expire."""

import hmac
from collections.abc import Callable, Mapping
from typing import Final

from wootric_map.sandbox.settings import SandboxSettings
from wootric_map.sandbox.wire import RefusedError, Reply, SandboxRequest

_SECRETS: Final = ("client_secret", "password", "refresh_token")
_SCOPE: Final = "api"
_CHALLENGE: Final = 'Bearer realm="Wootric sandbox"'
_NO_STORE: Final = {"Cache-Control": "no-store"}


def _refused(status: int, error: str, description: str) -> RefusedError:
    """Return a refusal in OAuth's form of errors."""
    headers = {"WWW-Authenticate": _CHALLENGE} if status == 401 else None  # noqa: PLR2004
    return RefusedError(status, {"error": error, "error_description": description}, headers)


def _equal(given: str | None, expected: str) -> bool:
    """Tell whether a secret is the expected one, in a time that does not depend on the secret."""
    return given is not None and hmac.compare_digest(given.encode(), expected.encode())


class SignIns:
    """The access and refresh tokens that were issued."""

    def __init__(self, settings: SandboxSettings, new_token: Callable[[], str]) -> None:
        """Start without tokens.

        Args:
            settings: the sandbox's account.
            new_token: returns a new token that nobody can guess.
        """
        self._settings = settings
        self._new_token = new_token
        self._expiries: dict[str, float] = {}
        self._refresh_tokens: set[str] = set()

    def token(self, request: SandboxRequest, now: float) -> Reply:
        """Answer `POST /oauth/token`.

        A refresh token works once, and the reply brings the next one. A refresh leaves earlier access tokens
        valid until they expire.

        Raises:
            RefusedError: 400 if anything is missing, unknown, or a secret in the query; 401 if a secret or
                account token is wrong.
        """
        settings = self._settings
        for name in _SECRETS:
            if name in request.query:
                raise _refused(400, "invalid_request", f"{name} must not be in the query")
        if request.has_other_body:
            raise _refused(400, "invalid_request", "the body must be form-encoded")
        account_token = request.query.get("account_token")
        if not account_token:
            raise _refused(400, "invalid_request", "account_token is missing from the query")
        if account_token != settings.account_token:
            raise _refused(401, "invalid_client", "no such account_token")
        grant_type = request.form.get("grant_type")
        if not grant_type:
            raise _refused(400, "invalid_request", "grant_type is missing")
        self._check_secrets(grant_type, request.form)

        access_token = self._new_token()
        self._expiries[access_token] = now + settings.token_lifetime
        body: dict[str, object] = {
            "access_token": access_token,
            "token_type": "bearer",
            "expires_in": settings.token_lifetime,
            "scope": _SCOPE,
            "created_at": int(now),
        }
        if grant_type != "client_credentials":
            refresh_token = self._new_token()
            self._refresh_tokens.add(refresh_token)
            body["refresh_token"] = refresh_token
        return Reply(body, headers=_NO_STORE)

    def _check_secrets(self, grant_type: str, form: Mapping[str, str]) -> None:
        """Check the secrets of a grant, and use up a refresh token.

        Raises:
            RefusedError: 400 for an unknown grant; 401 if a secret is wrong.
        """
        settings = self._settings
        match grant_type:
            case "client_credentials":
                if not (
                    _equal(form.get("client_id"), settings.client_id)
                    and _equal(form.get("client_secret"), settings.client_secret)
                ):
                    raise _refused(401, "invalid_client", "client authentication failed")
            case "password":
                if not (
                    _equal(form.get("username"), settings.username)
                    and _equal(form.get("password"), settings.password)
                ):
                    raise _refused(401, "invalid_grant", "username or password is wrong")
            case "refresh_token":
                given = form.get("refresh_token", "")
                if given not in self._refresh_tokens:
                    raise _refused(401, "invalid_grant", "the refresh token is unknown or used up")
                self._refresh_tokens.remove(given)
            case _:
                raise _refused(400, "unsupported_grant_type", "no such grant_type")

    def authorize(self, authorization: str | None, now: float) -> None:
        """Check that the `Authorization` header of a REST call holds a valid access token.

        Args:
            authorization: the header, if there is one.
            now: the unix time.

        Raises:
            RefusedError: 401 if the token is missing, unknown or expired.
        """
        scheme, _, token = (authorization or "").partition(" ")
        expiry = self._expiries.get(token.strip()) if scheme.lower() == "bearer" else None
        if expiry is not None and now < expiry:
            return
        why = "is invalid" if expiry is None else "expired"
        challenge = (
            f'{_CHALLENGE}, error="invalid_token", error_description="The access token {why}"'
        )
        raise RefusedError(
            401, {"error": f"The access token {why}"}, {"WWW-Authenticate": challenge}
        )

    def expire_all(self) -> None:
        """Let all access tokens that were issued expire now; refresh tokens stay valid."""
        self._expiries = dict.fromkeys(self._expiries, float("-inf"))
