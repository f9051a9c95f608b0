"""A client of the HTTP API of Alertmanager.

Source: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from collections.abc import Mapping

from pydantic import BaseModel, TypeAdapter, ValidationError

from controller.alerts.alert import AlertBody
from controller.state.alert import Alert
from rack import bounded_http
from rack.errors import PiRackError

_TIMEOUT = 2.0
_MAX_RESPONSE_BYTES = 16 * 2**20


class AlertmanagerUnavailableError(PiRackError):
    """Alertmanager is unreachable, or returned an invalid response."""


class _Status(BaseModel):
    inhibitedBy: list[str]  # noqa: N815 - name in the API
    silencedBy: list[str]  # noqa: N815


class _ActiveAlert(AlertBody):
    status: _Status


_ALERTS: TypeAdapter[list[_ActiveAlert]] = TypeAdapter(list[_ActiveAlert])


class Alertmanager:
    """A thread-safe client of one Alertmanager.

    Args:
        address: `ADDRESS:PORT`.
        headers: Headers of each request, such as `basic_authorization`.
    """

    def __init__(self, address: str, headers: Mapping[str, str]) -> None:
        self.url = f"http://{address}"
        self._headers = headers

    def alerts(self) -> list[Alert]:
        """Return the firing alerts, including silenced and inhibited ones.

        Raises:
            AlertmanagerUnavailableError: If no valid response arrives in time.
        """
        try:
            response = bounded_http.get(
                f"{self.url}/api/v2/alerts",
                headers=self._headers,
                timeout=_TIMEOUT,
                max_bytes=_MAX_RESPONSE_BYTES,
            )
        except (OSError, bounded_http.InvalidResponseError) as error:
            raise AlertmanagerUnavailableError(
                f"Alertmanager at {self.url} cannot be reached"
            ) from error
        if not response.is_ok:
            raise AlertmanagerUnavailableError(
                f"Alertmanager at {self.url} returned HTTP {response.status}"
            )
        try:
            active_alerts = _ALERTS.validate_json(response.body)
        except ValidationError as error:
            raise AlertmanagerUnavailableError(
                f"{self.url} did not return an Alertmanager response"
            ) from error
        return [
            Alert(
                fingerprint=alert.fingerprint,
                labels=alert.labels,
                annotations=alert.annotations,
                started_at=alert.startsAt.timestamp(),
                is_silenced=bool(alert.status.silencedBy),
                inhibited_by=tuple(alert.status.inhibitedBy),
            )
            for alert in active_alerts
        ]
