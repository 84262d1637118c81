"""One exchange over HTTP: a request is sent and its reply is read, both before a deadline."""

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
"""Bytes that are kept of the body of a refusal, whose words stand at its beginning."""

_CHUNK: Final = 64 * 1024

_FAULTS: Final = (OSError, HTTPError, ValueError, OverflowError)
"""The errors of a failed exchange; a chunk of negative or enormous length raises one of the last two."""


class Reply(NamedTuple):
    """What the server answered."""

    status: int
    headers: Mapping[str, str]
    """The headers; upper and lower case in a name do not matter."""
    body: bytes
    """The unpacked body; of a long refusal only the beginning."""
    is_too_long: bool = False
    """Whether the body of a 2xx reply was longer than the limit, so that nothing of it was kept."""


class Wire:
    """An HTTP client that keeps its connections open; may be used from several threads."""

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
            connections: how many connections are kept open at most.
            connect_timeout: seconds to wait for a connection.
            read_timeout: seconds that a server may be silent once a request is sent.
            loopback: whether the servers are on this machine.
            ca_bundle: the certificate authorities to trust on loopback; elsewhere requests itself takes
                them from the environment.
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
            # A proxy of the environment is not for this machine itself; its certificates are.
            self._session.trust_env = False
            self._session.verify = ca_bundle or True
        self._settings: dict[str, Any] = {}
        """The settings of each server from the environment, kept because looking them up takes longer than a
        request."""

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def exchange(
        self, call: HttpCall, token: str | None, seconds: float, most: int = LARGEST_REPLY
    ) -> Reply:
        """Send a request and return its reply, whatever its status; redirects are not followed.

        Args:
            call: the request.
            token: the bearer token; None sends none.
            seconds: how long the whole exchange may take.
            most: bytes of the reply's body, unpacked, that are read.

        Raises:
            NotSentError: the request was never sent.
            NoAnswerError: the request may have arrived, but no whole reply came back.
            UnreachableError: the server can't be trusted.
        """
        try:
            return self._reply(call, token, seconds, most)
        except _FAULTS as error:
            failure = _failure(error, urlsplit(call.url).netloc)
        # Raised outside the handler, the error has no context: the texts there hold personal data.
        raise failure

    def _prepared(self, call: HttpCall, token: str | None) -> requests.PreparedRequest:
        """Return the request, prepared without the session, which would look for a password in netrc."""
        request = requests.PreparedRequest()
        request.prepare_method(call.method)
        request.url = call.url  # the address is encoded already
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
    """Return the body of a reply up to the limit, and whether the body is longer.

    Args:
        response: the reply.
        limit: bytes of the body that are kept.
        taken: whether the call was taken, so that a body cut short is an error.
    """
    kept = bytearray()
    try:
        for chunk in response.iter_content(_CHUNK):
            kept += chunk
            if len(kept) > limit:
                break
    except _FAULTS:
        if taken:
            raise
        # The status alone tells of a refusal; a body cut short only lacks words.
    return bytes(kept[:limit]), len(kept) > limit


class _Session(requests.Session):
    """A session that follows no redirect: to look for one, it would read the whole body of a reply."""

    def get_redirect_target(self, _: requests.Response) -> None:
        """Return None: there is no redirect to follow."""


def _failure(error: Exception, host: str) -> WootricError:
    """Return the error of a failed exchange, without its address, which may hold personal data."""
    if isinstance(error, OSError) and not isinstance(error, RequestException):
        # Only a missing certificate file makes requests raise an OSError that is not its own.
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
    timed_out = any(isinstance(each, TimeoutError | ReadTimeoutError) for each in chain)
    if timed_out:
        reason = "it timed out"
    else:
        reasons = (each.strerror for each in chain if isinstance(each, OSError) and each.strerror)
        reason = next(reasons, "the connection broke")
        if isinstance(error, ProxyError):
            reason = f"by way of the proxy: {reason}"
    # For urllib3, a refused connection is a kind of connect timeout.
    if any(isinstance(each, ConnectTimeoutError | InvalidURL | InvalidSchema) for each in chain):
        return NotSentError(f"no connection to {host} ({reason})")
    return NoAnswerError(f"no answer from {host} ({reason})", may_be_under_way=timed_out)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and the errors that caused it, the nearest first."""
    seen: list[BaseException] = []
    inner: BaseException | None = error
    while inner is not None and inner not in seen:
        seen.append(inner)
        yield inner
        about = (inner.reason,) if isinstance(inner, MaxRetryError) else inner.args
        nested = (each for each in about if isinstance(each, BaseException))
        inner = next(nested, inner.__cause__ or inner.__context__)
