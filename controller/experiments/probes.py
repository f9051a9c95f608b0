"""Probes of the steady state: PromQL, HTTP of the nodes, and commands on the client's machine."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from controller.experiments.client_link import ClientLink
from controller.experiments.plan import PlanProbe
from controller.state.prometheus import Prometheus, PrometheusUnavailableError
from rack import bounded_http
from rack.errors import PiRackError
from rack.layout import Slot

_HTTP_TIMEOUT = 2.0
_MAX_HTTP_BYTES = 64 * 1024
_MAX_THREADS = 16
_COMMAND_SECONDS = 30.0


def query_problem(prometheus: Prometheus, query: str) -> str:
    """Return why a query does not hold, or an empty string if all its samples are not 0."""
    try:
        samples = prometheus.query(query)
    except PrometheusUnavailableError as error:
        return str(error)
    if not samples:
        return f"`{query}` has no result"
    zeros = [sample for sample in samples if sample.value == 0]
    if zeros:
        labels = ", ".join(f"{name}={value}" for name, value in sorted(zeros[0].labels.items()))
        return f"`{query}` is 0" + (f" for {labels}" if labels else "")
    return ""


class Probes:
    """The probes of a plan.

    Args:
        probes: Probes.
        nodes: Slots of the nodes.
        prometheus: Answers PromQL.
        link: Runs commands on the client's machine.
    """

    def __init__(
        self,
        probes: Sequence[PlanProbe],
        nodes: Sequence[Slot],
        prometheus: Prometheus,
        link: ClientLink,
    ) -> None:
        self._probes = probes
        self._nodes = nodes
        self._prometheus = prometheus
        self._link = link
        self._asked: dict[int, int] = {}  # index of the probe -> id of the question
        self._failures: dict[int, str] = {}  # index of the probe -> last failure

    def problem(self) -> str:
        """Evaluate all probes. Return the first reason why they do not succeed, or empty."""
        problems = [self._evaluate(index, probe) for index, probe in enumerate(self._probes)]
        if any(
            problem and not probe.command
            for probe, problem in zip(self._probes, problems, strict=True)
        ):
            self._forget_answers()  # all probes must succeed at the same time
        return next(filter(None, problems), "")

    def close(self) -> None:
        """Withdraw the open questions."""
        self._link.withdraw(self._asked.values())
        self._asked.clear()

    def _forget_answers(self) -> None:
        answered = self._link.take_answers(self._asked.values())
        self._asked = {
            index: number for index, number in self._asked.items() if number not in answered
        }

    def _evaluate(self, index: int, probe: PlanProbe) -> str:
        if probe.promql:
            return query_problem(self._prometheus, probe.promql)
        if probe.http:
            return self._http_problem(probe.http)
        return self._command_problem(index, probe.command)

    def _http_problem(self, port_and_path: str) -> str:
        def problem(slot: Slot) -> str:
            try:
                response = bounded_http.get(
                    f"http://{slot.address}{port_and_path}",
                    timeout=_HTTP_TIMEOUT,
                    max_bytes=_MAX_HTTP_BYTES,
                )
            except (PiRackError, OSError) as error:
                return f"{port_and_path} of {slot.name}: {error}"
            return "" if response.is_ok else f"{port_and_path} of {slot.name}: {response.status}"

        with ThreadPoolExecutor(min(_MAX_THREADS, max(1, len(self._nodes)))) as pool:
            return next(filter(None, pool.map(problem, self._nodes)), "")

    def _command_problem(self, index: int, command: str) -> str:
        """Ask until the command succeeds once. Until the next answer, the last failure counts."""
        number = self._asked.get(index)
        answer = None if number is None else self._link.take_answers([number]).get(number)
        if answer is not None and answer.ok:
            return ""
        if answer is not None:
            self._failures[index] = answer.detail or "failed"
        if number is None or not self._link.is_open(number):
            self._asked[index] = self._link.ask("probe", command, _COMMAND_SECONDS)
        return f"`{command}`: {self._failures.get(index, 'no result yet')}"
