"""A client of the HTTP API of Prometheus.

Source: https://prometheus.io/docs/prometheus/latest/querying/api/
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from rack import bounded_http
from rack.errors import PiRackError

_MAX_RESPONSE_BYTES = 16 * 2**20  # three times the response for a rack of 1,000 rasps


class PrometheusUnavailableError(PiRackError):
    """Prometheus is unreachable, or returned an error or an invalid response."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One element of an instant vector."""

    labels: Mapping[str, str]
    value: float

    @property
    def name(self) -> str:
        """Name of the metric, or "" if the expression removed the name."""
        return self.labels.get("__name__", "")


@dataclass(frozen=True, slots=True)
class Series:
    """One element of a matrix. Each point is (seconds since the epoch, value)."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


# Dataclasses, which pydantic creates in half the time of its models.
@dataclass(slots=True)
class _SampleBody:
    metric: dict[str, str]
    value: tuple[float, float]  # seconds since the epoch, value (a JSON string)


@dataclass(slots=True)
class _Vector:
    resultType: Literal["vector"]  # noqa: N815 - name in the API
    result: list[_SampleBody]


@dataclass(slots=True)
class _SeriesBody:
    metric: dict[str, str]
    values: tuple[tuple[float, float], ...]


@dataclass(slots=True)
class _Matrix:
    resultType: Literal["matrix"]  # noqa: N815 - name in the API
    result: list[_SeriesBody]


@dataclass(frozen=True, slots=True)
class AlertRule:
    """An alerting rule.

    Attributes:
        name: Name of its alerts.
        severity: Severity of its alerts, or "".
        for_seconds: Seconds from the begin of the condition to the start of an alert.
        annotations: Templates of the texts.
    """

    name: str
    severity: str
    for_seconds: float
    annotations: Mapping[str, str]


@dataclass(slots=True)
class _RuleBody:
    name: str
    duration: float
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _RuleGroup:
    rules: list[_RuleBody]


@dataclass(slots=True)
class _RuleGroups:
    groups: list[_RuleGroup]


@dataclass(slots=True)
class _BuildInfo:
    version: str


_Data = TypeVar("_Data")


@dataclass(slots=True)
class _Body(Generic[_Data]):
    data: _Data


_VECTOR = TypeAdapter(_Body[_Vector])
_MATRIX = TypeAdapter(_Body[_Matrix])
_RULE_GROUPS = TypeAdapter(_Body[_RuleGroups])
_BUILD_INFO = TypeAdapter(_Body[_BuildInfo])


class Prometheus:
    """A thread-safe client of one Prometheus server.

    Args:
        url: Base URL, such as `http://127.0.0.1:9090`.
        timeout: Seconds to wait for a complete response.
    """

    def __init__(self, url: str, *, timeout: float = 2.0) -> None:
        self.url = url.rstrip("/")
        self._timeout = timeout

    def query(self, expression: str, *, time: float | None = None) -> list[Sample]:
        """Return the instant vector of a PromQL expression, now or at a time since the epoch.

        Raises:
            PrometheusUnavailableError: If no valid response arrives in time.
        """
        parameters = {"query": expression, "timeout": f"{self._timeout * 1000:.0f}ms"}
        if time is not None:
            parameters["time"] = f"{time:.3f}"
        data = self._get("/api/v1/query", parameters, _VECTOR)
        return [Sample(element.metric, element.value[1]) for element in data.result]

    def query_range(
        self, expression: str, *, start: float, end: float, step: float
    ) -> list[Series]:
        """Return the values of an expression from `start` to `end`, every `step` seconds.

        Raises:
            PrometheusUnavailableError: If no valid response arrives in time.
        """
        parameters = {
            "query": expression,
            "start": f"{start:.0f}",
            "end": f"{end:.0f}",
            "step": f"{step:.0f}",
            "timeout": f"{self._timeout * 1000:.0f}ms",
        }
        data = self._get("/api/v1/query_range", parameters, _MATRIX)
        return [Series(series.metric, series.values) for series in data.result]

    def read_samples(self, selector: str, *, start: float, end: float) -> list[Series]:
        """Return the samples of a selector from `start` to `end`, with the times of the scrapes.

        Raises:
            PrometheusUnavailableError: If no valid response arrives in time.
        """
        parameters = {
            "query": f"{selector}[{max(1, round((end - start) * 1000))}ms]",
            "time": f"{end:.3f}",
            "timeout": f"{self._timeout * 1000:.0f}ms",
        }
        data = self._get("/api/v1/query", parameters, _MATRIX)
        return [Series(series.metric, series.values) for series in data.result]

    def alert_rules(self) -> list[AlertRule]:
        """Return the alerting rules that the server has loaded.

        Raises:
            PrometheusUnavailableError: If no valid response arrives in time.
        """
        data = self._get("/api/v1/rules", {"type": "alert"}, _RULE_GROUPS)
        return [
            AlertRule(rule.name, rule.labels.get("severity", ""), rule.duration, rule.annotations)
            for group in data.groups
            for rule in group.rules
        ]

    def version(self) -> str:
        """Return the version of the server, such as `2.42.0`.

        Raises:
            PrometheusUnavailableError: If no valid response arrives in time.
        """
        return self._get("/api/v1/status/buildinfo", {}, _BUILD_INFO).version

    def _get(
        self, path: str, parameters: Mapping[str, str], adapter: TypeAdapter[_Body[_Data]]
    ) -> _Data:
        response = self._send(path, parameters)
        try:
            return adapter.validate_json(response.body).data
        except ValidationError as error:
            raise PrometheusUnavailableError(self._describe_invalid(response)) from error

    def _describe_invalid(self, response: bounded_http.HttpResponse) -> str:
        try:
            content = json.loads(response.body)
        except ValueError:
            return f"{self.url} did not return a Prometheus response (HTTP {response.status})"
        detail = content.get("error", content) if isinstance(content, dict) else content
        return f"unexpected response from Prometheus at {self.url}: {detail!s:.200}"

    def _send(self, path: str, parameters: Mapping[str, str]) -> bounded_http.HttpResponse:
        try:
            return bounded_http.get(
                self.url + path,
                parameters=parameters,
                timeout=self._timeout,
                max_bytes=_MAX_RESPONSE_BYTES,
            )
        except TimeoutError as error:
            raise PrometheusUnavailableError(
                f"Prometheus at {self.url} did not respond within {self._timeout:g} s"
            ) from error
        except OSError as error:
            raise PrometheusUnavailableError(
                f"Prometheus at {self.url} cannot be reached"
            ) from error
        except bounded_http.InvalidResponseError as error:
            raise PrometheusUnavailableError(str(error)) from error
