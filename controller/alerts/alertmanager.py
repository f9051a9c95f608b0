"""The HTTP API of Alertmanager, as far as the controller asks it.

Source: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

import requests
from pydantic import BaseModel, TypeAdapter, ValidationError

from controller.alerts.alert import Alert, AlertBody

_TIMEOUT = 2.0


class AlertmanagerUnavailableError(Exception):
    """Alertmanager gave no answer that can be used; the text says why, for people."""


class _Status(BaseModel):
    inhibitedBy: list[str]  # noqa: N815 - Alertmanager's own word
    silencedBy: list[str]  # noqa: N815


class _ActiveAlert(AlertBody):
    status: _Status


_ALERTS: TypeAdapter[list[_ActiveAlert]] = TypeAdapter(list[_ActiveAlert])


class Alertmanager:
    """A client of one Alertmanager, at `ADDRESS:PORT`. Safe to be used by several threads."""

    def __init__(self, address: str) -> None:
        self.url = f"http://{address}"

    def alerts(self) -> list[Alert]:
        """Return the alerts that fire now, those too that are silenced or explained by others.

        Raises:
            AlertmanagerUnavailable: no answer in time, or one that is not Alertmanager's.
        """
        try:
            response = requests.get(f"{self.url}/api/v2/alerts", timeout=_TIMEOUT)
            response.raise_for_status()
            asked = _ALERTS.validate_json(response.content)
        except requests.RequestException as error:
            raise AlertmanagerUnavailableError(
                f"Alertmanager at {self.url} cannot be reached"
            ) from error
        except ValidationError as error:
            raise AlertmanagerUnavailableError(
                f"{self.url} does not answer like Alertmanager"
            ) from error
        return [
            Alert(
                fingerprint=each.fingerprint,
                labels=each.labels,
                annotations=each.annotations,
                started_at=each.startsAt.timestamp(),
                is_silenced=bool(each.status.silencedBy),
                is_inhibited=bool(each.status.inhibitedBy),
            )
            for each in asked
        ]
