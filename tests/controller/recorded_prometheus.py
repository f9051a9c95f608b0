"""A fake Prometheus with the samples of a rack in which 03-2 was down for some time."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from controller.state.build import STATE_SERIES
from controller.state.changes import (
    ALERT_CHANGE_DELAY_SECONDS,
    ALERT_CHANGE_SERIES,
    STATE_CHANGE_SERIES,
)
from rack.layout import Rack

DOWN = "03-2"
ALERT_AFTER_SECONDS = 120.0
"""Seconds after which the alert of a rasp that is down fires."""

_ALERT = {
    "alertname": "PiRackRaspDown",
    "alertstate": "firing",
    "severity": "critical",
    "rack": "pirack",
    "stack": "03",
    "slot": "2",
    "rasp": DOWN,
}
_WATCHDOG = {"alertname": "PiRackWatchdog", "alertstate": "firing", "severity": "none"}
_RULE = {
    "name": "PiRackRaspDown",
    "duration": ALERT_AFTER_SECONDS,
    "labels": {"severity": "critical"},
    "annotations": {
        "summary": "{{ $labels.rasp }} is down",
        "description": "{{ $labels.rasp }} has not responded (state {{ $value }}).",
    },
}


@dataclass
class RecordedPrometheus:
    """Samples of all rasps. `DOWN` was down from `down_from` until `down_until`, with its alert.

    Attributes:
        rack: Layout of the rack.
        down_from: Seconds since the epoch.
        down_until: Seconds since the epoch.
        off_stack: Name of a stack whose commanded power was off.
        changes_since: Time from which changes were recorded.
        moments: Times of the received queries of states. None is now.
        alert_moments: Times of the received queries of alerts.
        ranges: Number of the received range queries.
        url: URL of the running server.
    """

    rack: Rack
    down_from: float
    down_until: float
    off_stack: str = "09"
    changes_since: float = 0.0
    moments: list[float | None] = field(default_factory=list)
    alert_moments: list[float | None] = field(default_factory=list)
    ranges: int = 0
    url: str = ""

    def answer(self, path: str, parameters: Mapping[str, str]) -> Any:
        """Return the response to a query."""
        if path.endswith("rules"):
            return {"groups": [{"rules": [_RULE]}]}
        if path.endswith("query_range"):
            self.ranges += 1
            start, end, step = (float(parameters[name]) for name in ("start", "end", "step"))
            times = [start + i * step for i in range(int((end - start) / step) + 1)]
            is_by_slot = "by (stack, slot)" in parameters["query"]
            series = self._temperatures(times) if is_by_slot else self._lanes(times)
            return {"resultType": "matrix", "result": list(series)}
        moment = float(parameters["time"]) if "time" in parameters else None
        query = parameters["query"]
        selects_alerts = query.startswith("{")
        if selects_alerts or STATE_CHANGE_SERIES in query:
            series = self._alert_changes() if selects_alerts else self._state_changes(query)
            return {"resultType": "matrix", "result": [series]}
        if query.startswith("min_over_time(timestamp("):
            since = {"metric": {}, "value": [0, str(self.changes_since)]}
            return {"resultType": "vector", "result": [since]}
        if query.startswith("(ALERTS"):
            self.alert_moments.append(moment)
            return {"resultType": "vector", "result": list(self._alerts(moment or 0.0))}
        self.moments.append(moment)
        return {"resultType": "vector", "result": list(self._samples(moment))}

    @property
    def alert_from(self) -> float:
        """Start of the alert in seconds since the epoch. It ends at `down_until`."""
        return self.down_from + ALERT_AFTER_SECONDS

    def _alerts(self, moment: float) -> Iterator[Any]:
        yield {"metric": {"__name__": "ALERTS", **_WATCHDOG}, "value": [0, "1"]}
        if self.alert_from <= moment < self.down_until:
            yield {"metric": {"__name__": "ALERTS", **_ALERT}, "value": [0, "1"]}
            since = {name: _ALERT[name] for name in _ALERT if name != "alertstate"}
            metric = {"__name__": "ALERTS_FOR_STATE", **since}
            yield {"metric": metric, "value": [0, str(self.down_from)]}

    def _alert_changes(self) -> Any:
        samples = [
            [at + ALERT_CHANGE_DELAY_SECONDS, value]
            for at, value in ((self.alert_from, "1"), (self.down_until, "0"))
        ]
        return {"metric": {"__name__": ALERT_CHANGE_SERIES, **_ALERT}, "values": samples}

    def _is_down(self, moment: float | None) -> bool:
        return moment is not None and self.down_from <= moment < self.down_until

    def _samples(self, moment: float | None) -> Iterator[Any]:
        for slot in self.rack.slots:
            labels = {"stack": slot.stack_name, "slot": str(slot.number)}
            state = 4 if slot.stack_name == self.off_stack else 1
            if slot.name == DOWN and self._is_down(moment):
                state = 0
            for name, value in ((STATE_SERIES, state), ("pirack_cpu_temperature_celsius", 47)):
                yield {"metric": {"__name__": name, **labels}, "value": [0, str(value)]}
        for stack in self.rack.stacks:
            metric = {"__name__": "pirack_outlet_power_state", "stack": stack.name}
            yield {"metric": metric, "value": [0, str(int(stack.name != self.off_stack))]}

    def _state_changes(self, query: str) -> Any:
        is_down = f'stack="{DOWN[:2]}", slot="{DOWN[3:]}"' in query
        changes = [[self.down_from, "0"], [self.down_until, "1"]] if is_down else []
        return {"metric": {}, "values": changes}

    def _temperatures(self, times: list[float]) -> Iterator[Any]:
        for slot in self.rack.slots:
            read = [at for at in times if slot.name != DOWN or not self._is_down(at)]
            metric = {"stack": slot.stack_name, "slot": str(slot.number)}
            yield {"metric": metric, "values": [[at, "47"] for at in read]}

    def _lanes(self, times: list[float]) -> Iterator[Any]:
        for stack in self.rack.stacks:
            is_off, count = stack.name == self.off_stack, len(stack.slots)
            down = [at for at in times if stack.name == DOWN[:2] and self._is_down(at)]
            quantities = {
                "known": (times, count),
                "pinged": (times, count),
                "off": (times if is_off else [], count),
                "down": (down, 1),
                "celsius": ([] if is_off else times, 47),
            }
            for quantity, (covered, value) in quantities.items():
                if covered:
                    values = [[at, str(value)] for at in covered]
                    yield {"metric": {"stack": stack.name, "quantity": quantity}, "values": values}


@contextmanager
def recorded_prometheus(recorded: RecordedPrometheus) -> Iterator[RecordedPrometheus]:
    """Serve recorded samples."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            parameters = {name: values[0] for name, values in parse_qs(parts.query).items()}
            body = json.dumps({"data": recorded.answer(parts.path, parameters)}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        recorded.url = f"http://127.0.0.1:{server.server_port}"
        yield recorded
        server.shutdown()
        thread.join()
