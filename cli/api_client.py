"""The controller's API, asked over HTTP. Whatever answers is not trusted to be a controller."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests

from cli.errors import ControllerError, UsageError

DEFAULT_URL = "http://127.0.0.1:8080"
URL_VARIABLE = "PIRACK_URL"

_API_PREFIX = "/api/v1.0/"
_READ_TIMEOUT = 10.0
_WRITE_TIMEOUT = 60.0  # to ping or read a whole rack, some of it silent
_MAX_RESPONSE_BYTES = 16 * 2**20
_URL_HINT = f"name another by --url or {URL_VARIABLE}"

_Json = TypeVar("_Json", dict[str, Any], list[Any])


class ApiClient:
    """A controller at a URL; `token` says who asks, `timeout` how long it may take to answer."""

    def __init__(self, url: str, token: str | None, *, timeout: float = _READ_TIMEOUT) -> None:
        if not _is_http_url(url):
            raise UsageError(f"{url!r} is no URL: write http://HOST:PORT")
        self._url = url.rstrip("/")
        self._token = token
        self._timeout = timeout
        self._session = requests.Session()
        # Said here, so that no ~/.netrc says something else.
        self._session.auth = self._authorize
        self._session.headers["Accept"] = "application/json"

    def get(self, path: str, json_type: type[_Json], **query: Any) -> _Json:
        """Return the answer at a path of the API, which is an object or a list.

        Raises:
            UsageError: the API says that there is no such place.
            ControllerError: there is no answer, or it is not one of a controller.
        """
        return self._request_json("GET", path, json_type, params=query)

    def post(self, path: str, **fields: Any) -> dict[str, Any]:
        """Have something done, and return the answer: what came of it, or how it goes on.

        Raises:
            UsageError: the API says that there is no such place, or that a field is wrong.
            ControllerError: the controller refuses, or there is no answer: nobody knows whether it
                was done.
        """
        return self._request_json("POST", path, dict, json=fields)

    def delete(self, path: str) -> dict[str, Any]:
        """Have something ended, and return the answer. Raises as `post` does."""
        return self._request_json("DELETE", path, dict)

    def _request_json(
        self, method: str, path: str, json_type: type[_Json], **request_options: Any
    ) -> _Json:
        seconds = self._timeout if method == "GET" else max(self._timeout, _WRITE_TIMEOUT)
        status, content_type, body = self._request(method, path, seconds, request_options)
        if "json" not in content_type:
            raise self._not_a_controller(f"it sends {content_type or 'nothing'}, HTTP {status}")
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise self._not_a_controller("what it sends is no JSON") from error
        if status not in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
            raise self._error_from_problem(status, answer)
        if not isinstance(answer, json_type):
            raise self._not_a_controller("its answer is of another kind")
        return answer

    def unexpected_response(self) -> ControllerError:
        """Return the error for an answer that lacks what a controller's has."""
        return self._not_a_controller("its answer lacks what a controller's has")

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _request(
        self, method: str, path: str, timeout: float, request_options: dict[str, Any]
    ) -> tuple[int, str, bytes]:
        try:
            with (
                _deadline(timeout, self._timeout_error(timeout)),
                self._session.request(
                    method,
                    self._url + _API_PREFIX + path,
                    timeout=timeout,
                    allow_redirects=False,  # the token goes nowhere else
                    stream=True,
                    **request_options,
                ) as response,
            ):
                body = b""
                for part in response.iter_content(2**16):
                    body += part
                    if len(body) > _MAX_RESPONSE_BYTES:
                        raise self._not_a_controller("its answer does not end")
                return response.status_code, response.headers.get("Content-Type", ""), body
        except requests.Timeout as error:
            raise self._timeout_error(timeout) from error
        except requests.ConnectionError as error:
            raise ControllerError(
                f"no controller answers at {self._url}: start it, or {_URL_HINT}"
            ) from error
        except (requests.RequestException, ValueError) as error:
            raise self._not_a_controller(f"asking it ends in {type(error).__name__}") from error

    def _timeout_error(self, timeout: float) -> ControllerError:
        return ControllerError(
            f"the controller at {self._url} gave no whole answer in {timeout:.0f} s:"
            f" try again, see how it is, or {_URL_HINT}"
        )

    def _not_a_controller(self, reason: str) -> ControllerError:
        return ControllerError(
            f"what answers at {self._url} is no controller of PiRack, {reason}: {_URL_HINT}"
        )

    def _error_from_problem(self, status: int, problem: Any) -> ControllerError | UsageError:
        detail = problem.get("detail") if isinstance(problem, dict) else None
        if not isinstance(detail, str):
            return self._not_a_controller(f"it answers HTTP {status}")
        match status:
            case HTTPStatus.NOT_FOUND | HTTPStatus.UNPROCESSABLE_ENTITY:
                return UsageError(detail)
            case HTTPStatus.UNAUTHORIZED if self._token is None:
                return ControllerError(
                    f"the controller at {self._url} wants a token: put one into PIRACK_TOKEN"
                    " or ~/.config/pirack/token"
                )
            case HTTPStatus.UNAUTHORIZED:
                return ControllerError(
                    f"the controller at {self._url} does not take this token: {detail}"
                )
            case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                return ControllerError(
                    f"the controller at {self._url} cannot answer, see its log: {detail}"
                )
            case _:
                return ControllerError(f"the controller at {self._url} refuses: {detail}")


def _is_http_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


@contextmanager
def _deadline(timeout: float, error: ControllerError) -> Iterator[None]:
    """Raise the error in the midst of whatever takes longer, as an answer byte by byte would."""

    def ring(*_: object) -> None:
        raise error

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, timeout)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
