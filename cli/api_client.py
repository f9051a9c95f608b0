"""Client of the controller's HTTP API that does not trust the server."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import requests

from cli.models import ApiResponse, DecodeError, decode
from rack.terminal import CommandError

DEFAULT_URL = "http://127.0.0.1:8080"
URL_VARIABLE = "PIRACK_URL"

_API_PREFIX = "/api/v1.0/"
_READ_TIMEOUT = 10.0
_PROMPT_TIMEOUT = 4.0  # two requests fit into the lease of a run
_WRITE_TIMEOUT = 60.0  # a ping of a whole rack waits for the rasps that do not respond
_SLOW_TIMEOUT = 90.0  # the checks of a slow master take up to a minute
_MAX_RESPONSE_BYTES = 16 * 2**20
_URL_HINT = f"set --url or {URL_VARIABLE}"


class _ListItem(Protocol):
    """An item of a list in descending order of ids."""

    @property
    def id(self) -> int: ...


_T = TypeVar("_T")
_Listed = TypeVar("_Listed", bound=_ListItem)


class ControllerError(CommandError):
    """The controller cannot be reached, or rejects the request."""

    exit_code = 3


class NoResponseError(ControllerError):
    """The controller does not respond."""


class ApiClient:
    """Client of the controller at a URL.

    Args:
        url: URL of the controller.
        token: API token, or None for anonymous access.
        timeout: Seconds to wait for a complete response.

    Raises:
        CommandError: If the URL is invalid.
    """

    def __init__(self, url: str, token: str | None, *, timeout: float = _READ_TIMEOUT) -> None:
        if not _is_http_url(url):
            raise CommandError(f"{url!r} is not a valid URL: write http://HOST:PORT")
        self._url = url.rstrip("/")
        self._token = token
        self._timeout = timeout
        self._session = requests.Session()
        self._session.auth = self._authorize  # overrides ~/.netrc
        self._session.headers["Accept"] = "application/json"

    def get(self, path: str, model: type[_T], **query: object) -> ApiResponse[_T]:
        """Return the response to a GET request.

        Raises:
            CommandError: If a target or filter is invalid.
            ControllerError: If there is no valid response.
        """
        return self._request("GET", path, model, self._timeout, params=query)

    def get_slow(self, path: str, model: type[_T]) -> ApiResponse[_T]:
        """Return the response to a GET request that the controller needs up to a minute for.

        Raises the errors of `get`.
        """
        return self._request("GET", path, model, max(self._timeout, _SLOW_TIMEOUT))

    def get_text(self, path: str, content_type: str) -> str:
        """Return a text of this content type. Raises the errors of `get`."""
        status, received_type, body = self._send("GET", path, self._timeout, {})
        if status == HTTPStatus.OK and received_type.startswith(content_type):
            return body.decode(errors="replace")
        raise self._error_from_problem(status, self._parse_json(status, received_type, body))

    def get_pages(
        self, path: str, model: type[_Listed], limit: int, **query: object
    ) -> ApiResponse[list[_Listed]]:
        """Return up to `limit` items of a list that the controller sends in pages.

        Raises the errors of `get`.
        """
        received: list[Any] = []
        items: list[_Listed] = []
        while len(items) < limit:
            before = items[-1].id if items else None
            missing = limit - len(items)
            page = self.get(path, list[model], limit=missing, before=before, **query)  # type: ignore[valid-type]
            if not page.data:
                break
            received += page.json
            items += page.data
        return ApiResponse(received, items)

    def post(self, path: str, model: type[_T], **fields: object) -> ApiResponse[_T]:
        """Return the response to a POST request.

        Raises:
            CommandError: If a target or field is invalid.
            ControllerError: If the request is rejected, or there is no valid response. Without a
                valid response, the controller may have executed the request.
        """
        return self._request("POST", path, model, max(self._timeout, _WRITE_TIMEOUT), json=fields)

    def post_promptly(self, path: str, model: type[_T], **fields: object) -> ApiResponse[_T]:
        """Return the response to a POST request that the controller answers at once.

        Raises the errors of `post`, after a short timeout.
        """
        return self._request("POST", path, model, _PROMPT_TIMEOUT, json=fields)

    def put(self, path: str, model: type[_T], **fields: object) -> ApiResponse[_T]:
        """Return the response to a PUT request. Raises the errors of `post`."""
        return self._request("PUT", path, model, max(self._timeout, _WRITE_TIMEOUT), json=fields)

    def delete(self, path: str, model: type[_T]) -> ApiResponse[_T]:
        """Return the response to a DELETE request. Raises the errors of `post`."""
        return self._request("DELETE", path, model, max(self._timeout, _WRITE_TIMEOUT))

    def _request(
        self, method: str, path: str, model: type[_T], timeout: float, **request_options: Any
    ) -> ApiResponse[_T]:
        status, content_type, body = self._send(method, path, timeout, request_options)
        received = self._parse_json(status, content_type, body)
        if status not in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
            raise self._error_from_problem(status, received)
        try:
            return ApiResponse(received, decode(model, received))
        except DecodeError as error:
            raise self._not_a_controller(f"unexpected response, {error}") from error

    def _parse_json(self, status: int, content_type: str, body: bytes) -> Any:
        if "json" not in content_type:
            raise self._not_a_controller(f"it sent {content_type or 'nothing'}, HTTP {status}")
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise self._not_a_controller("it sent invalid JSON") from error

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _send(
        self, method: str, path: str, timeout: float, request_options: dict[str, Any]
    ) -> tuple[int, str, bytes]:
        try:
            with (
                _deadline(timeout, self._timeout_error(timeout)),
                self._session.request(
                    method,
                    self._url + _API_PREFIX + path,
                    timeout=timeout,
                    allow_redirects=False,  # the token must not reach another server
                    stream=True,
                    **request_options,
                ) as response,
            ):
                body = bytearray()
                for part in response.iter_content(2**16):
                    body += part
                    if len(body) > _MAX_RESPONSE_BYTES:
                        raise self._not_a_controller("its response is too large")
                return response.status_code, response.headers.get("Content-Type", ""), bytes(body)
        except requests.Timeout as error:
            raise self._timeout_error(timeout) from error
        except requests.ConnectionError as error:
            raise NoResponseError(
                f"cannot connect to the controller at {self._url}: start it, or {_URL_HINT}"
            ) from error
        except (requests.RequestException, ValueError) as error:
            raise self._not_a_controller(f"the request failed, {type(error).__name__}") from error

    def _timeout_error(self, timeout: float) -> ControllerError:
        return NoResponseError(
            f"the controller at {self._url} sent no complete response within {timeout:.0f} s:"
            f" try again, read its log, or {_URL_HINT}"
        )

    def _not_a_controller(self, reason: str) -> ControllerError:
        return ControllerError(
            f"the server at {self._url} is not a PiRack controller: {reason}: {_URL_HINT}"
        )

    def _error_from_problem(self, status: int, problem: Any) -> CommandError:
        detail = problem.get("detail") if isinstance(problem, dict) else None
        if not isinstance(detail, str):
            return self._not_a_controller(f"it sent HTTP {status}")
        match status:
            case HTTPStatus.NOT_FOUND | HTTPStatus.UNPROCESSABLE_ENTITY:
                return CommandError(detail)
            case HTTPStatus.UNAUTHORIZED if self._token is None:
                problem = "requires a token: set PIRACK_TOKEN, or write ~/.config/pirack/token"
            case HTTPStatus.UNAUTHORIZED:
                problem = f"rejected the token: {detail}"
            case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                problem = f"failed, see its log: {detail}"
            case _:
                problem = f"rejected the request: {detail}"
        return ControllerError(f"the controller at {self._url} {problem}")


def _is_http_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


@contextmanager
def _deadline(timeout: float, error: ControllerError) -> Iterator[None]:
    """Raise the error after a timeout, even if the server keeps sending single bytes."""

    def raise_error(*_: object) -> None:
        raise error

    previous = signal.signal(signal.SIGALRM, raise_error)
    signal.setitimer(signal.ITIMER_REAL, timeout)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
