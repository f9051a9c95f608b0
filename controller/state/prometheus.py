"""The HTTP API of Prometheus, as far as the controller asks it.

Source: https://prometheus.io/docs/prometheus/latest/querying/api/
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import requests
from pydantic import BaseModel, ValidationError


class PrometheusUnavailableError(Exception):
    """Prometheus gave no answer that can be used; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One element of an instant vector."""

    labels: Mapping[str, str]
    value: float

    @property
    def name(self) -> str:
        """The metric's name; empty where the expression dropped it."""
        return self.labels.get("__name__", "")


@dataclass(frozen=True, slots=True)
class Series:
    """One element of a matrix: its samples as (seconds since the epoch, value)."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


class _SampleBody(BaseModel):
    metric: dict[str, str]
    value: tuple[float, float]  # seconds since the epoch; the value, which comes as text


class _Vector(BaseModel):
    resultType: Literal["vector"]  # noqa: N815 - Prometheus' own word
    result: list[_SampleBody]


class _SeriesBody(BaseModel):
    metric: dict[str, str]
    values: tuple[tuple[float, float], ...]


class _Matrix(BaseModel):
    resultType: Literal["matrix"]  # noqa: N815 - Prometheus' own word
    result: list[_SeriesBody]


class _BuildInfo(BaseModel):
    version: str


_Data = TypeVar("_Data", bound=BaseModel)


class Prometheus:
    """A client of one Prometheus. Safe to be used by several threads.

    Args:
        url: where it is, such as `http://127.0.0.1:9090`.
        timeout: seconds to wait for a connection, and for each part of the answer.
    """

    def __init__(self, url: str, *, timeout: float = 2.0) -> None:
        self.url = url.rstrip("/")
        self._timeout = timeout

    def query(self, expression: str) -> list[Sample]:
        """Return the instant vector of an expression in PromQL, now.

        Raises:
            PrometheusUnavailable: no answer in time, an error, or something else than a vector.
        """
        parameters = {"query": expression, "timeout": f"{self._timeout * 1000:.0f}ms"}
        data = self._get("/api/v1/query", parameters, _Vector)
        return [Sample(element.metric, element.value[1]) for element in data.result]

    def query_range(
        self, expression: str, *, start: float, end: float, step: float
    ) -> list[Series]:
        """Return an expression's values from `start` to `end`, each `step` seconds.

        Raises:
            PrometheusUnavailable: as `query`.
        """
        parameters = {
            "query": expression,
            "start": f"{start:.0f}",
            "end": f"{end:.0f}",
            "step": f"{step:.0f}",
            "timeout": f"{self._timeout * 1000:.0f}ms",
        }
        data = self._get("/api/v1/query_range", parameters, _Matrix)
        return [Series(run.metric, run.values) for run in data.result]

    def version(self) -> str:
        """Return its version, such as `2.42.0`.

        Raises:
            PrometheusUnavailable: as `query`.
        """
        return self._get("/api/v1/status/buildinfo", {}, _BuildInfo).version

    def _get(self, path: str, parameters: Mapping[str, str], model: type[_Data]) -> _Data:
        try:
            response = requests.get(self.url + path, params=parameters, timeout=self._timeout)
            answer = response.json()
        except requests.JSONDecodeError as error:
            raise PrometheusUnavailableError(
                f"{self.url} does not answer like Prometheus (HTTP {response.status_code})"
            ) from error
        except requests.Timeout as error:
            raise PrometheusUnavailableError(
                f"Prometheus at {self.url} gave no answer in {self._timeout:g} s"
            ) from error
        except requests.RequestException as error:
            raise PrometheusUnavailableError(
                f"Prometheus at {self.url} cannot be reached"
            ) from error
        try:
            return model.model_validate(answer["data"])
        except (TypeError, KeyError, ValidationError) as error:
            said = answer.get("error", answer) if isinstance(answer, dict) else answer
            raise PrometheusUnavailableError(
                f"Prometheus at {self.url} said: {said!s:.200}"
            ) from error
