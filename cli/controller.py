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

_PREFIX = "/api/v1.0/"
_ANSWER_SECONDS = 10.0
_DOING_SECONDS = 60.0  # to ping or read a whole rack, some of it silent
_LONGEST_ANSWER = 16 * 2**20
_NAME_ANOTHER = f"name another by --url or {URL_VARIABLE}"

_Answer = TypeVar("_Answer", dict[str, Any], list[Any])


class Controller:
    """A controller at a URL; `token` says who asks, `seconds` how long it may take to answer."""

    def __init__(self, url: str, token: str | None, *, seconds: float = _ANSWER_SECONDS) -> None:
        if not _is_url(url):
            raise UsageError(f"{url!r} is no URL: write http://HOST:PORT")
        self._url = url.rstrip("/")
        self._token = token
        self._seconds = seconds
        self._session = requests.Session()
        # Said here, so that no ~/.netrc says something else.
        self._session.auth = self._authorize
        self._session.headers["Accept"] = "application/json"

    def get(self, path: str, kind: type[_Answer], **query: Any) -> _Answer:
        """Return the answer at a path of the API, which is an object or a list.

        Raises:
            UsageError: the API says that there is no such place.
            ControllerError: there is no answer, or it is not one of a controller.
        """
        return self._answer("GET", path, kind, params=query)

    def post(self, path: str, **fields: Any) -> dict[str, Any]:
        """Have something done, and return the answer: what came of it, or how it goes on.

        Raises:
            UsageError: the API says that there is no such place, or that a field is wrong.
            ControllerError: the controller refuses, or there is no answer: nobody knows whether it
                was done.
        """
        return self._answer("POST", path, dict, json=fields)

    def delete(self, path: str) -> dict[str, Any]:
        """Have something ended, and return the answer. Raises as `post` does."""
        return self._answer("DELETE", path, dict)

    def _answer(self, method: str, path: str, kind: type[_Answer], **told: Any) -> _Answer:
        seconds = self._seconds if method == "GET" else max(self._seconds, _DOING_SECONDS)
        status, content_type, body = self._ask(method, path, seconds, told)
        if "json" not in content_type:
            raise self._stranger(f"it sends {content_type or 'nothing'}, HTTP {status}")
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise self._stranger("what it sends is no JSON") from error
        if status not in {HTTPStatus.OK, HTTPStatus.ACCEPTED}:
            raise self._refusal(status, answer)
        if not isinstance(answer, kind):
            raise self._stranger("its answer is of another kind")
        return answer

    def stranger(self) -> ControllerError:
        """Return the error for an answer that lacks what a controller's has."""
        return self._stranger("its answer lacks what a controller's has")

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _ask(
        self, method: str, path: str, seconds: float, told: dict[str, Any]
    ) -> tuple[int, str, bytes]:
        try:
            with (
                _deadline(seconds, self._silence(seconds)),
                self._session.request(
                    method,
                    self._url + _PREFIX + path,
                    timeout=seconds,
                    allow_redirects=False,  # the token goes nowhere else
                    stream=True,
                    **told,
                ) as response,
            ):
                body = b""
                for part in response.iter_content(2**16):
                    body += part
                    if len(body) > _LONGEST_ANSWER:
                        raise self._stranger("its answer does not end")
                return response.status_code, response.headers.get("Content-Type", ""), body
        except requests.Timeout as error:
            raise self._silence(seconds) from error
        except requests.ConnectionError as error:
            raise ControllerError(
                f"no controller answers at {self._url}: start it, or {_NAME_ANOTHER}"
            ) from error
        except (requests.RequestException, ValueError) as error:
            raise self._stranger(f"asking it ends in {type(error).__name__}") from error

    def _silence(self, seconds: float) -> ControllerError:
        return ControllerError(
            f"the controller at {self._url} gave no whole answer in {seconds:.0f} s:"
            f" try again, see how it is, or {_NAME_ANOTHER}"
        )

    def _stranger(self, why: str) -> ControllerError:
        return ControllerError(
            f"what answers at {self._url} is no controller of PiRack, {why}: {_NAME_ANOTHER}"
        )

    def _refusal(self, status: int, problem: Any) -> ControllerError | UsageError:
        detail = problem.get("detail") if isinstance(problem, dict) else None
        if not isinstance(detail, str):
            return self._stranger(f"it answers HTTP {status}")
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


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


@contextmanager
def _deadline(seconds: float, error: ControllerError) -> Iterator[None]:
    """Raise the error in the midst of whatever takes longer, as an answer byte by byte would."""

    def ring(*_: object) -> None:
        raise error

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
