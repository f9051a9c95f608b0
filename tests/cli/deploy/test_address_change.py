"""A deployed exporter after the address of its rasp has changed, in a network namespace."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy import make_pyz
from tests.cli.deploy.deployer import Deployer, running_controller
from tests.cli.deploy.ssh_testbed import EXPORTER_PORT, running_ssh_testbed
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until
from tools.programs import find
from virtual_rack.network_namespace import inside

pytestmark = pytest.mark.process

NET = "10.23"
ChangeAddress = Callable[[str, str], None]


@pytest.fixture
def change_address() -> Iterator[ChangeAddress]:
    """Move this thread into a network namespace. Return a function that changes its addresses."""
    ip = find("ip")

    def run(*arguments: str) -> None:
        subprocess.run(
            [*ip.command, *arguments], env=ip.environment, check=True, timeout=TIMEOUT_SECONDS
        )

    with subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo ready; exec sleep infinity"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            pytest.skip(f"network namespaces are not available: {process.communicate()[1]}")
        try:
            with inside(Path(f"/proc/{process.pid}/ns/net")):
                run("link", "set", "lo", "up")
                yield lambda action, address: run("address", action, f"{address}/32", "dev", "lo")
        finally:
            process.kill()


def test_exporter_answers_at_the_new_address_of_its_rasp(
    change_address: ChangeAddress, tmp_path: Path
) -> None:
    pyz = tmp_path / "pirack-exporter.pyz"
    make_pyz.make(pyz)
    first, second = f"{NET}.1.1", f"{NET}.1.2"
    change_address("add", first)
    (tmp_path / "controller").mkdir()
    with (
        running_controller(tmp_path / "controller", NET) as url,
        running_ssh_testbed(tmp_path / "rack", [first]) as testbed,
    ):
        assert Deployer(testbed, url, pyz).deploy("1/1") == (0, {"01-1": ("ok", "")})
        [rasp] = testbed.rasps
        settings = rasp.path("/etc/pirack/exporter.env").read_text()
        assert settings == f"LISTEN={NET}.0.0/16:{EXPORTER_PORT}\n"
        change_address("del", first)
        assert rasp.metrics() == ""
        change_address("add", second)
        rasp.address = second
        wait_until(lambda: "pirack_greeting_number 7" in rasp.metrics())
