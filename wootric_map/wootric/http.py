"""One exchange over HTTP: a request is sent and its reply is read, never past the deadline."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import version
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import requests
from requests.exceptions import InvalidSchema, InvalidURL, ProxyError, RequestException
from urllib3 import Timeout
from urllib3.exceptions import ConnectTimeoutError, HTTPError, MaxRetryError, ReadTimeoutError

from wootric_map.errors import NoAnswerError, NotSentError, UnreachableError, WootricError
from wootric_map.wootric.deadline import DeadlineAdapter
from wootric_map.wootric.requests import HttpCall, form_encoded

LARGEST_REPLY: Final = 1024 * 1024
"""Bytes of a reply's body, unpacked, that are read unless the caller says otherwise."""

_LARGEST_REFUSAL: Final = 64 * 1024
"""Bytes that are kept of the body of any reply but a 2xx; its words stand at the beginning."""

_CHUNK: Final = 64 * 1024

_FAULTS: Final = (OSError, HTTPError, ValueError, OverflowError)
"""What a failed exchange raises; the last two of a chunk whose length is below zero, or enormous."""


class Reply(NamedTuple):
    """What the server answered."""

    status: int
    headers: Mapping[str, str]
    """The names may be asked for in any case."""
    body: bytes
    """The unpacked body; only its beginning if it is a refusal's and longer than what is kept."""
    is_too_long: bool = False
    """Whether a 2xx was longer than the limit, so that nothing of its body was kept."""


class Wire:
    """An HTTP client that keeps its connections open; any number of threads may use it."""

    def __init__(
        self,
        *,
        connections: int,
        connect_timeout: float,
        read_timeout: float,
        loopback: bool,
        ca_bundle: str | None,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            connections: how many are kept open at most.
            connect_timeout: seconds to wait for a connection.
            read_timeout: seconds of silence to bear once a request is sent.
            loopback: whether the servers are on this machine.
            ca_bundle: certificate authorities to trust on loopback; elsewhere requests itself asks
                the environment.
        """
        self._timeouts = connect_timeout, read_timeout
        self._headers = {
            "User-Agent": f"wootric-replay/{version('wootric-replay')}",
            "Accept-Encoding": "gzip",
            "Accept": "*/*",
            "Connection": "keep-alive",
        }
        self._session = _Session()
        adapter = DeadlineAdapter(pool_connections=4, pool_maxsize=connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        if loopback:
            # A proxy stands between machines, not between this one and itself. What else the
            # environment says, of certificates, holds here too.
            self._session.trust_env = False
            self._session.verify = ca_bundle or True
        self._settings: dict[str, Any] = {}
        """What the environment says of each server; requests takes longer to ask it than to send."""

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def exchange(
        self, call: HttpCall, token: str | None, seconds: float, most: int = LARGEST_REPLY
    ) -> Reply:
        """Send a request and return its reply, whatever it says; redirects are not followed.

        Args:
            call: the request.
            token: what signs it.
            seconds: how long all of it may take.
            most: bytes of the reply's body, unpacked, that are read.

        Raises:
            NotSentError: the request never left.
            NoAnswerError: the request may have arrived, but no whole reply came back.
            UnreachableError: the server can't be trusted.
        """
        try:
            return self._reply(call, token, seconds, most)
        except _FAULTS as error:
            failure = _failure(error, urlsplit(call.url).netloc)
        # Out here it has no context: the texts of those below hold the query, and so personal data.
        raise failure

    def _prepared(self, call: HttpCall, token: str | None) -> requests.PreparedRequest:
        """Return the request, prepared without the session, which would ask netrc for a password."""
        request = requests.PreparedRequest()
        request.prepare_method(call.method)
        request.url = call.url  # which is encoded already
        request.prepare_headers(self._headers)
        if call.form:
            request.headers["Content-Type"] = "application/x-www-form-urlencoded"
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
        request.prepare_body(form_encoded(call.form.items()) if call.form else None, None)
        return request

    def _reply(self, call: HttpCall, token: str | None, seconds: float, most: int) -> Reply:
        parts = urlsplit(call.url)
        server = f"{parts.scheme}://{parts.netloc}"
        settings = self._settings.get(server)
        if settings is None:
            settings = self._session.merge_environment_settings(server, {}, True, None, None)
            self._settings[server] = settings
        connect, read = (min(each, seconds) for each in self._timeouts)
        timeout: Any = Timeout(connect=connect, read=read, total=seconds)
        request = self._prepared(call, token)
        with closing(self._session.send(request, timeout=timeout, **settings)) as response:
            status = response.status_code
            taken = status < requests.codes.multiple_choices
            body, is_more = _body(response, most if taken else _LARGEST_REFUSAL, taken=taken)
            if taken and is_more:
                return Reply(status, response.headers, b"", is_too_long=True)
            return Reply(status, response.headers, body)


def _body(response: requests.Response, limit: int, *, taken: bool) -> tuple[bytes, bool]:
    """Return a reply's body up to the limit, and whether there is more of it."""
    kept = bytearray()
    try:
        for chunk in response.iter_content(_CHUNK):
            kept += chunk
            if len(kept) > limit:
                break
    except _FAULTS:
        if taken:
            raise
        # A refusal stands in its status; if it is cut short, only words are missing.
    return bytes(kept[:limit]), len(kept) > limit


class _Session(requests.Session):
    """A session that looks for no redirect: to find one it would read all of the reply's body."""

    def get_redirect_target(self, _: requests.Response) -> None:
        """Return that there is none."""


def _failure(error: Exception, host: str) -> WootricError:
    """Return what a failed exchange means; in words without addresses, which may hold personal data."""
    if isinstance(error, OSError) and not isinstance(error, RequestException):
        # For this alone requests raises an OSError that is none of its own.
        return UnreachableError(
            "REQUESTS_CA_BUNDLE (or CURL_CA_BUNDLE) names certificate authorities that are not "
            "there; mend its path, or unset it"
        )
    chain = list(_causes(error))
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in chain):
        return UnreachableError(
            f"{host} can't be trusted: its TLS certificate was refused; "
            "REQUESTS_CA_BUNDLE names a certificate authority of your own"
        )
    if any(isinstance(each, TimeoutError | ReadTimeoutError) for each in chain):
        reason = "it timed out"
    else:
        told = (each.strerror for each in chain if isinstance(each, OSError) and each.strerror)
        reason = next(told, "the connection broke")
        if isinstance(error, ProxyError):
            reason = f"by way of the proxy: {reason}"
    # A timeout while connecting, and a connection that was refused, are of one kind to urllib3.
    if any(isinstance(each, ConnectTimeoutError | InvalidURL | InvalidSchema) for each in chain):
        return NotSentError(f"no connection to {host} ({reason})")
    return NoAnswerError(f"no answer from {host} ({reason})")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it is about."""
    seen: list[BaseException] = []
    inner: BaseException | None = error
    while inner is not None and inner not in seen:
        seen.append(inner)
        yield inner
        about = (inner.reason,) if isinstance(inner, MaxRetryError) else inner.args
        nested = (each for each in about if isinstance(each, BaseException))
        inner = next(nested, inner.__cause__ or inner.__context__)
