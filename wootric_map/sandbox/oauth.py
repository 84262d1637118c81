"""Signing in (wootric.md 2): three grants, and access tokens that grow old."""

import hmac
from collections.abc import Callable
from typing import Final

from wootric_map.sandbox.settings import SandboxSettings
from wootric_map.sandbox.wire import RefusedError, Reply, SandboxRequest

_SECRETS: Final = ("client_secret", "password", "refresh_token")
_SCOPE: Final = "api"
_CHALLENGE: Final = 'Bearer realm="Wootric sandbox"'
_NO_STORE: Final = {"Cache-Control": "no-store"}


def _refused(status: int, error: str, description: str) -> RefusedError:
    headers = {"WWW-Authenticate": _CHALLENGE} if status == 401 else None  # noqa: PLR2004
    return RefusedError(status, {"error": error, "error_description": description}, headers)


def _same(given: str | None, expected: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), expected.encode())


class SignIns:
    """The access and refresh tokens given out so far."""

    def __init__(self, settings: SandboxSettings, new_token: Callable[[], str]) -> None:
        """Start with none given out; `new_token` makes each a string nobody could guess."""
        self._settings = settings
        self._new_token = new_token
        self._expiries: dict[str, float] = {}
        self._refresh_tokens: set[str] = set()

    def token(self, request: SandboxRequest, now: float) -> Reply:
        """Answer `POST /oauth/token`.

        A refresh token works once: its reply brings the next one. Access tokens given out before
        a refresh live on until they are old.

        Raises:
            RefusedError: in OAuth's own error form. 400 for what is missing, unknown or put in the
                query that must not be there; 401 for what does not match.
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

        form = request.form
        grant_type = form.get("grant_type")
        if not grant_type:
            raise _refused(400, "invalid_request", "grant_type is missing")
        match grant_type:
            case "client_credentials":
                if not (
                    _same(form.get("client_id"), settings.client_id)
                    and _same(form.get("client_secret"), settings.client_secret)
                ):
                    raise _refused(401, "invalid_client", "client authentication failed")
            case "password":
                if not (
                    _same(form.get("username"), settings.username)
                    and _same(form.get("password"), settings.password)
                ):
                    raise _refused(401, "invalid_grant", "username or password is wrong")
            case "refresh_token":
                given = form.get("refresh_token", "")
                if given not in self._refresh_tokens:
                    raise _refused(401, "invalid_grant", "the refresh token is unknown or used up")
                self._refresh_tokens.remove(given)
            case _:
                raise _refused(400, "unsupported_grant_type", "no such grant_type")

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

    def authorize(self, authorization: str | None, now: float) -> None:
        """Let a REST call through if its `Authorization` header holds a token that is still good.

        Raises:
            RefusedError: 401, if it does not.
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
        """Make every access token given out so far old; refresh tokens stay good."""
        self._expiries = dict.fromkeys(self._expiries, float("-inf"))
