"""HTTP server that answers as a controller whose runs go through given states.

With it, tests reach what a real controller does only by chance or after minutes: the order of
states, queues, refused extensions, and requests that are hostile.
"""

import time
import tomllib
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, jsonify, request

from controller import API_PREFIX
from tests.cli.experiments import records

_STATES = ("steady", "faults", "faults", "checking")
_ENDED = {"done", "aborted"}
_EVENT = dict.fromkeys(("fault", "stack", "rasp", "is_on", "planned", "before", "after"))
_UNKNOWN_OF_RASP = (
    *("operation", "mac", "temperature_level", "temperature_celsius", "load1", "cpu_busy_cores"),
    *("memory_available_bytes", "memory_total_bytes", "conditions", "uptime_seconds"),
    *("clock_offset_seconds", "is_clock_off", "answers_ping", "outlet"),
)

Json = dict[str, Any]


class ScriptedController:
    """Runs and reservations of a rack of two stacks. Each lease moves a run to its next state.

    The check begins after the first operation of the client, which can take long to start.
    """

    def __init__(self) -> None:
        self.states: tuple[str, ...] = _STATES
        self.run_requests: list[Json] = []  # to the user's machine
        self.queue_length = 0
        self.may_extend = True
        self.reservations: list[Json] = []
        self.runs: list[Json] = []
        self.events: dict[int, list[Json]] = {}
        self.calls: list[tuple[str, Json]] = []
        self.last_monotonic = 0.0
        self.failures = 0  # of the next leases and renewals
        self._app = Flask(__name__)
        self._leases: dict[int, int] = {}
        self._loaded: set[int] = set()  # runs whose client has completed an operation
        self._add_routes()

    @property
    def app(self) -> Flask:
        """The WSGI application."""
        return self._app

    def bodies(self, call: str) -> list[Json]:
        """Return the bodies of the requests with this name."""
        return [body for name, body in self.calls if name == call]

    def answers(self) -> list[Json]:
        """Return the answers of the user's machine."""
        return [answer for body in self.bodies("lease") for answer in body["answers"]]

    def rates(self) -> dict[int, Json]:
        """Return the last rates of each second."""
        rates = [rate for body in self.bodies("lease") for rate in body["rates"]]
        return {rate["second"]: rate for rate in rates}

    def _add_routes(self) -> None:
        for method, path, view in (
            ("GET", "rasps", _list_rasps),
            ("GET", "reservations", lambda: jsonify(self.reservations)),
            ("POST", "reservations", self._reserve),
            ("POST", "reservations/<int:number>/renew", self._renew),
            ("POST", "reservations/<int:number>/extend", self._extend),
            ("DELETE", "reservations/<int:number>", self._hand_back),
            ("POST", "experiments/plans", self._make_plan),
            ("GET", "experiments", self._list_runs),
            ("POST", "experiments", self._start_run),
            ("GET", "experiments/<int:number>", lambda number: jsonify(self._run(number))),
            ("GET", "experiments/<int:number>/events", self._list_events),
            ("GET", "experiments/<int:number>/metrics", self._metrics),
            ("POST", "experiments/<int:number>/lease", self._lease),
            ("POST", "experiments/<int:number>/verdict", self._take_verdict),
            ("DELETE", "experiments/<int:number>", self._stop_run),
        ):
            self._app.add_url_rule(
                f"{API_PREFIX}/{path}", f"{method} {path}", view, methods=[method]
            )

    def _record(self, call: str) -> Json:
        body: Json = request.get_json(silent=True) or {}
        self.calls.append((call, body))
        return body

    def _reserve(self) -> Response:
        body = self._record("reserve")
        state = "queued" if self.queue_length else "active"
        reservation = {
            "id": len(self.reservations) + 1,
            "owner": "token:cli",
            "is_mine": True,
            "selection": body["selection"],
            "state": state,
            "stacks": [1, 2],
            "position": self.queue_length or None,
            "lease_seconds": body.get("lease_seconds"),
            "wait_seconds": 600.0 * self.queue_length,
            "seconds_left": float(body["seconds"]),
            "end_reason": "",
        }
        self.reservations.append(reservation)
        return jsonify(reservation)

    def _fail(self) -> Response | None:
        if not self.failures:
            return None
        self.failures -= 1
        return _problem(HTTPStatus.SERVICE_UNAVAILABLE, "the controller is stopping")

    def _renew(self, number: int) -> Response:
        if error := self._fail():
            return error
        self._record("renew")
        reservation = self.reservations[number - 1]
        self.queue_length = max(self.queue_length - 1, 0)
        reservation["position"] = self.queue_length or None
        reservation["state"] = "queued" if self.queue_length else "active"
        return jsonify(reservation)

    def _extend(self, number: int) -> Response:
        body = self._record("extend")
        if not self.may_extend:
            return _problem(HTTPStatus.CONFLICT, "the next reservation waits for these stacks")
        self.reservations[number - 1]["seconds_left"] += body["seconds"]
        return jsonify(self.reservations[number - 1])

    def _hand_back(self, number: int) -> Response:
        self._record("hand back")
        self.reservations[number - 1]["state"] = "ended"
        return jsonify(self.reservations[number - 1])

    def _make_plan(self) -> Response:
        body = self._record("plan")
        try:
            plan = _plan(body["text"], body["seed"])
        except ValueError as error:
            return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{body['file']}: {error}")
        return jsonify(
            {
                "plan": plan,
                "plan_hash": "5e1f",
                "goes_down": ["01-1"],
                "duration": 8.0,
                "longest_seconds": 300.0,
            }
        )

    def _start_run(self) -> tuple[Response, HTTPStatus]:
        body = self._record("start")
        run = {
            "id": len(self.runs) + 1,
            "name": "raft",
            "seed": body["seed"],
            "file": body["file"],
            "text": body["text"],
            "state": "waiting",
            "actor": "token:cli",
            "reason": "",
            "started_at": time.time(),
            "finished_at": None,
            "plan": _plan(body["text"], body["seed"]),
            "plan_hash": "5e1f",
            "replay_of": body["replay_of"],
            "verdict": None,
            "versions": {"pirack": "1.0"},
            "layout_hash": "a0",
            "energy": records.energy(first=None),
        }
        self.runs.append(run)
        self.events[len(self.runs)] = []
        return jsonify(run), HTTPStatus.ACCEPTED

    def _run(self, number: int) -> Json:
        return self.runs[number - 1]

    def _list_runs(self) -> Response:
        before = int(request.args.get("before") or len(self.runs) + 1)
        return jsonify([run for run in self.runs[::-1] if run["id"] < before])

    def _list_events(self, number: int) -> Response:
        after = int(request.args["after"])
        return jsonify([event for event in self.events[number] if event["number"] > after])

    def _metrics(self, number: int) -> Response:
        return Response(f"# run {number}\n# EOF\n", content_type="application/openmetrics-text")

    def _lease(self, number: int) -> Response:
        if error := self._fail():
            return error
        rates = self._record("lease")["rates"]
        run = self._run(number)
        if rates:
            self._loaded.add(number)
        if run["state"] not in _ENDED:
            step = self._leases[number] = self._leases.get(number, 0) + 1
            state = self.states[min(step, len(self.states)) - 1]
            if state != "checking" or number in self._loaded:
                self._enter(run, state)
        self.last_monotonic = time.monotonic()
        return jsonify(
            {
                "run": run,
                "time": time.time(),
                "monotonic": self.last_monotonic,
                "requests": self.run_requests if run["state"] == "faults" else [],
            }
        )

    def _enter(self, run: Json, state: str) -> None:
        if run["state"] != state:
            run["state"] = state
            self._add_event(run, "state", state)
            if state == "checking":
                self._add_event(run, "edge", "stack 01 is off", is_on=False, stack=1, fault=1)

    def _add_event(self, run: Json, kind: str, text: str, **fields: Any) -> None:
        events = self.events[run["id"]]
        now = time.monotonic()
        event = {**_EVENT, "time": time.time(), "monotonic": now, "kind": kind, "text": text}
        events.append({**event, "number": len(events) + 1, "after": now, **fields})

    def _take_verdict(self, number: int) -> Response:
        run = self._run(number)
        run |= {"state": "done", "verdict": self._record("verdict"), "finished_at": time.time()}
        return jsonify(run)

    def _stop_run(self, number: int) -> Response:
        self._record("stop")
        run = self._run(number)
        run |= {"state": "aborted", "reason": "stopped by token:cli", "finished_at": time.time()}
        return jsonify(run)


def _list_rasps() -> Response:
    return jsonify(
        [
            {
                **dict.fromkeys(_UNKNOWN_OF_RASP),
                "id": stack,
                "name": f"0{stack}-1",
                "host_name": f"rasp-0{stack}-1",
                "stack": stack,
                "slot": 1,
                "ip": f"10.23.{stack}.1",
                "state": "up",
                "reason": "",
                "power": "on",
            }
            for stack in (1, 2)
        ]
    )


def _plan(text: str, seed: int) -> Json:
    table = tomllib.loads(text)
    if unknown := table.keys() - {"nodes", "client", "check", "probe", "place", "fault"}:
        raise ValueError(f"{unknown.pop()}: unknown key: remove it")
    check = table.get("check", "none")
    return {
        "name": "raft",
        "seed": seed,
        "nodes": ["01-1", "02-1"],
        "stacks": [1, 2],
        "check": {"kind": check if isinstance(check, str) else check["kind"]},
        "faults": [
            {
                "number": 1,
                "kind": "power",
                "at": 2.5,
                "stacks": [1],
                "rasps": ["01-1"],
                "seconds_off": 1.25,
                "action": "",
                "place": "",
            }
        ],
    }


def _problem(status: HTTPStatus, detail: str) -> Response:
    response = jsonify({"title": status.phrase, "status": status, "detail": detail})
    response.status_code = status
    response.content_type = "application/problem+json"
    return response
