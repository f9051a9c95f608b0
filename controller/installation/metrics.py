"""Metrics of the last install."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge

from controller.installation.service import InstallService
from dhcp_installer.install.journal import InstallRecord
from rack.errors import DatabaseError


def register_metrics(registry: CollectorRegistry, installation: InstallService) -> None:
    """Register gauges of the running install, or of the last install."""

    def read_latest(value: Callable[[InstallRecord], float]) -> Callable[[], float]:
        def read() -> float:
            try:
                latest = installation.latest()
            except DatabaseError:
                return float("nan")
            return value(latest) if latest else 0.0

        return read

    for name, help_text, value in (
        (
            "pirack_install_running",
            "Whether an install, a replacement or a swap is running.",
            lambda _: installation.is_running,
        ),
        (
            "pirack_install_unfinished",
            "Whether the last install failed or was interrupted.",
            lambda record: record.is_unfinished,
        ),
        (
            "pirack_install_stacks_done",
            "Number of stacks that the last install has checked.",
            lambda record: record.report.stacks_done,
        ),
        (
            "pirack_install_rasps_found",
            "Number of rasps that the last install has found.",
            lambda record: record.report.rasps_found,
        ),
    ):
        gauge = Gauge(name, help_text, registry=registry)
        gauge.set_function(read_latest(value))
