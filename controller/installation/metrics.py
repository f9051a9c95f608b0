"""What the controller says of installs on its /metrics."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge

from controller.installation.service import InstallService
from dhcp_installer.install.journal import InstallRecord
from rack.errors import DatabaseError


def register_metrics(registry: CollectorRegistry, installation: InstallService) -> None:
    """Add how the running install is, or how the last one ended."""

    def of_latest(value: Callable[[InstallRecord], float]) -> Callable[[], float]:
        def read() -> float:
            try:
                latest = installation.latest()
            except DatabaseError:
                return float("nan")  # nobody knows
            return value(latest) if latest else 0.0

        return read

    for name, what, value in (
        (
            "pirack_install_running",
            "Whether an install, a replacement or a swap runs.",
            lambda _: installation.is_running,
        ),
        (
            "pirack_install_unfinished",
            "Whether the last install neither finished nor was stopped cleanly.",
            lambda entry: entry.is_unfinished,
        ),
        (
            "pirack_install_stacks_done",
            "Stacks that the last install has looked at.",
            lambda entry: entry.report.stacks_done,
        ),
        (
            "pirack_install_rasps_found",
            "Rasps that the last install has found.",
            lambda entry: entry.report.rasps_found,
        ),
    ):
        gauge = Gauge(name, what, registry=registry)
        gauge.set_function(of_latest(value))
