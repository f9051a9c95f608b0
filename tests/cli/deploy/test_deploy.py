"""`pirack deploy` with real SSH servers. Only systemctl is a fake."""

from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from deploy import make_pyz
from tests.cli.deploy.deployer import ALIASES, Deployer, running_controller
from tests.cli.deploy.ssh_testbed import (
    EXPORTER_PORT,
    RaspOptions,
    SshRasp,
    SshTestbed,
    running_ssh_testbed,
)
from tests.controller.openssh_servers import loopback_prefix
from tests.helpers.waiting import TIMEOUT_SECONDS, wait_until

pytestmark = pytest.mark.process

NET = loopback_prefix()
DEPLOYED_FILES = {
    "/usr/local/bin/pirack-exporter",
    "/etc/pirack/aliases.ini",
    "/etc/pirack/exporter.env",
    "/etc/systemd/system/pirack-exporter.service",
}


@pytest.fixture(scope="module")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dist") / "pirack-exporter.pyz"
    make_pyz.make(path)
    return path


@pytest.fixture(scope="module")
def controller_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a controller with rasps installed in slots 1 and 2."""
    with running_controller(tmp_path_factory.mktemp("controller"), NET) as url:
        yield url


@pytest.fixture
def testbed(tmp_path: Path) -> Iterator[SshTestbed]:
    with running_ssh_testbed(tmp_path / "rack", [f"{NET}.1.1", f"{NET}.1.2"]) as running:
        yield running


@pytest.fixture
def first_rasp(testbed: SshTestbed) -> SshRasp:
    return testbed.rasps[0]


@pytest.fixture
def deployer(testbed: SshTestbed, controller_url: str, pyz: Path) -> Deployer:
    return Deployer(testbed, controller_url, pyz)


def test_deploy_installs_all_files_and_exporters_answer(
    deployer: Deployer, testbed: SshTestbed
) -> None:
    assert deployer.deploy("1/1-2") == (0, {"01-1": ("ok", ""), "01-2": ("ok", "")})
    for rasp in testbed.rasps:
        assert set(rasp.deployed_files()) == DEPLOYED_FILES
        assert "pirack_greeting_number 7" in rasp.metrics()
        settings = rasp.path("/etc/pirack/exporter.env").read_text()
        assert settings == f"LISTEN={rasp.address}:{EXPORTER_PORT}\n"
        assert rasp.path("/usr/local/bin/pirack-exporter").stat().st_mode & 0o777 == 0o755
        assert rasp.flag_file("enabled").exists()


def test_second_deployment_installs_changed_files(deployer: Deployer, first_rasp: SshRasp) -> None:
    deployer.deploy("1/1")
    deployer.aliases.write_text("[greeting]\nnumber = echo 8\n")
    assert deployer.deploy("1/1") == (0, {"01-1": ("ok", "")})
    assert "pirack_greeting_number 8" in first_rasp.metrics()
    assert set(first_rasp.deployed_files()) == DEPLOYED_FILES


def test_planted_links_leave_their_targets_unchanged(
    deployer: Deployer, first_rasp: SshRasp
) -> None:
    victim = first_rasp.path("/etc/victim")
    victim.write_text("secret")
    victim.chmod(0o600)
    links = ("/etc/pirack/.deploy.new", "/usr/local/bin/pirack-exporter.pirack-new")
    for link in links:
        first_rasp.path(link).symlink_to("/etc/victim")
    assert deployer.deploy("1/1") == (0, {"01-1": ("ok", "")})
    assert (victim.read_text(), victim.stat().st_mode & 0o777) == ("secret", 0o600)
    assert set(first_rasp.deployed_files()) == DEPLOYED_FILES


def test_linked_aliases_file_is_restored_as_a_link(deployer: Deployer, first_rasp: SshRasp) -> None:
    shared = first_rasp.path("/etc/shared.ini")
    shared.write_text("[greeting]\nnumber = echo 1\n")
    first_rasp.path("/etc/pirack/aliases.ini").symlink_to("/etc/shared.ini")
    first_rasp.flag_file("refuses-restart").touch()
    assert deployer.deploy("1/1")[1]["01-1"][0] == "failed"
    assert first_rasp.path("/etc/pirack/aliases.ini").is_symlink()
    assert shared.read_text() == "[greeting]\nnumber = echo 1\n"


def test_failed_alias_is_reported(deployer: Deployer) -> None:
    deployer.aliases.write_text("[greeting]\nnumber = echo 7\nother = false\n")
    assert deployer.deploy("1/1") == (
        0,
        {"01-1": ("ok", "aliases without a value: [greeting] other")},
    )


def test_invalid_aliases_file_is_rejected_before_connecting(
    deployer: Deployer, testbed: SshTestbed
) -> None:
    deployer.aliases.write_text("[greeting]\nnumber = reboot\n")
    process = deployer.start()
    out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    assert (process.returncode, out) == (2, "")
    assert err == (
        f"pirack: {deployer.aliases}:2: number would run reboot at each scrape:"
        " move it to [actions]\n"
    )
    assert [rasp.log.count("Accepted") for rasp in testbed.rasps] == [0, 0]


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("daemon-reload", marks=pytest.mark.verify),
        pytest.param("enable", marks=pytest.mark.verify),
        "restart",
    ],
)
def test_failed_systemctl_command_restores_previous_files(
    deployer: Deployer, testbed: SshTestbed, first_rasp: SshRasp, step: str
) -> None:
    assert deployer.deploy("1/1-2")[0] == 0
    previous = first_rasp.deployed_files()
    deployer.aliases.write_text("[greeting]\nnumber = echo 8\n")
    first_rasp.flag_file(f"refuses-{step}").touch()
    status, results = deployer.deploy("1/1-2")
    result, detail = results["01-1"]
    assert (status, result, results["01-2"]) == (1, "failed", ("ok", ""))
    assert (
        "failed: Job for pirack-exporter.service failed.; the previous files were restored"
        in detail
    )
    assert first_rasp.deployed_files() == previous
    first_rasp.flag_file(f"refuses-{step}").unlink()
    assert "pirack_greeting_number 8" in testbed.rasps[1].metrics()
    if step != "restart":
        wait_until(lambda: "pirack_greeting_number 7" in first_rasp.metrics())


def test_failed_first_deployment_removes_new_files(deployer: Deployer, first_rasp: SshRasp) -> None:
    first_rasp.flag_file("refuses-restart").touch()
    status, results = deployer.deploy("1/1")
    assert (status, results["01-1"][0]) == (1, "failed")
    assert results["01-1"][1].endswith("; the new files were removed")
    assert first_rasp.deployed_files() == {}
    assert not first_rasp.flag_file("enabled").exists()


def test_exporter_that_does_not_answer_is_rolled_back(
    deployer: Deployer, first_rasp: SshRasp, pyz: Path, tmp_path: Path
) -> None:
    assert deployer.deploy("1/1")[0] == 0
    previous = first_rasp.deployed_files()
    unit = tmp_path / "other.service"
    unit.write_text("[Service]\nExecStart=/bin/sleep 600\n")
    status, results = deployer.deploy("1/1", "--unit", unit)
    assert (status, results["01-1"][0]) == (1, "failed")
    assert "the new exporter does not answer at" in results["01-1"][1]
    assert first_rasp.deployed_files() == previous
    wait_until(lambda: "pirack_greeting_number 7" in first_rasp.metrics())


def test_full_disk_is_reported_and_changes_nothing(
    controller_url: str, pyz: Path, tmp_path: Path
) -> None:
    with running_ssh_testbed(tmp_path / "rack", [f"{NET}.1.1"], RaspOptions(disk="16k")) as testbed:
        deployer = Deployer(testbed, controller_url, pyz)
        assert deployer.deploy("1/1")[0] == 0
        previous = testbed.rasps[0].deployed_files()
        deployer.aliases.write_text(ALIASES + "# " + "x" * 60_000 + "\n")
        status, results = deployer.deploy("1/1")
        assert (status, results["01-1"][0]) == (1, "failed")
        assert "No space left on device" in results["01-1"][1]
        assert testbed.rasps[0].deployed_files() == previous
        assert "pirack_greeting_number 7" in testbed.rasps[0].metrics()


def test_broken_python_is_reported_and_changes_nothing(
    controller_url: str, pyz: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "python3"
    broken.write_text("#!/bin/sh\necho 'python3: cannot open shared object file' >&2\nexit 127\n")
    with running_ssh_testbed(
        tmp_path / "rack", [f"{NET}.1.1"], RaspOptions(python=str(broken))
    ) as testbed:
        results = Deployer(testbed, controller_url, pyz).deploy("1/1")
        assert results == (1, {"01-1": ("failed", "python3: cannot open shared object file")})
        assert testbed.rasps[0].deployed_files() == {}


def test_user_other_than_root_needs_sudo_without_password(
    controller_url: str, pyz: Path, tmp_path: Path
) -> None:
    with running_ssh_testbed(
        tmp_path / "allowed", [f"{NET}.1.1"], RaspOptions(rule="pi ALL=(ALL) NOPASSWD: ALL")
    ) as testbed:
        assert Deployer(testbed, controller_url, pyz).deploy("1/1") == (0, {"01-1": ("ok", "")})
        assert set(testbed.rasps[0].deployed_files()) == DEPLOYED_FILES
    with running_ssh_testbed(
        tmp_path / "rejected", [f"{NET}.1.1"], RaspOptions(rule="pi ALL=(ALL) ALL")
    ) as testbed:
        results = Deployer(testbed, controller_url, pyz).deploy("1/1")
        assert results == (1, {"01-1": ("failed", "sudo: a password is required")})
        assert testbed.rasps[0].deployed_files() == {}


def test_changed_and_unknown_host_keys_are_rejected(
    deployer: Deployer, testbed: SshTestbed
) -> None:
    testbed.write_known_hosts(
        {testbed.rasps[0].address: asyncssh.generate_private_key("ssh-ed25519")}
    )
    status, results = deployer.deploy("1/1-2")
    assert (status, {result for result, _ in results.values()}) == (1, {"failed"})
    for rasp, (_, detail) in zip(testbed.rasps, results.values(), strict=True):
        assert detail == (
            f"the host key is not in known_hosts: verify it with `ssh {rasp.address}`"
        )
        assert rasp.deployed_files() == {}


def test_unreachable_rasp_and_rejected_key_do_not_affect_other_rasps(
    deployer: Deployer, testbed: SshTestbed
) -> None:
    testbed.rasps[0].close()
    status, results = deployer.deploy("1/1-2")
    assert (status, results["01-1"][0], results["01-2"]) == (1, "failed", ("ok", ""))
    assert results["01-1"][1].startswith("no SSH connection: ")
    testbed.rasps[1].path("/run/keys").write_text("")
    assert "the SSH key was rejected" in deployer.deploy("1/2")[1]["01-2"][1]


def test_lost_connection_has_result_unknown_and_rasp_completes_deployment(
    deployer: Deployer, first_rasp: SshRasp
) -> None:
    deployer.deploy("1/1")
    deployer.aliases.write_text("[greeting]\nnumber = echo 8\n")
    first_rasp.flag_file("hangs-at-restart").touch()
    process = deployer.start("1/1")
    wait_until(first_rasp.flag_file("hung").exists)
    first_rasp.kill_sessions()
    status, results = deployer.finish(process)
    assert (status, results["01-1"][0]) == (1, "unknown")
    assert results["01-1"][1].endswith(
        "the rasp completes the installation or rolls it back; deploy again"
    )
    first_rasp.flag_file("hangs-at-restart").unlink()
    wait_until(lambda: "pirack_greeting_number 8" in first_rasp.metrics())
    wait_until(lambda: set(first_rasp.deployed_files()) == DEPLOYED_FILES)


def test_deploy_after_power_failure_rolls_back_first(
    deployer: Deployer, first_rasp: SshRasp
) -> None:
    deployer.deploy("1/1")
    previous = first_rasp.deployed_files()
    deployer.aliases.write_text("[greeting]\nnumber = echo 8\n")
    first_rasp.flag_file("hangs-at-restart").touch()
    process = deployer.start("1/1")
    wait_until(first_rasp.flag_file("hung").exists)
    for deployment in first_rasp.deploy_processes():
        deployment.kill()
    assert deployer.finish(process)[1]["01-1"][0] == "unknown"
    assert first_rasp.deployed_files() != previous
    first_rasp.flag_file("hangs-at-restart").unlink()
    first_rasp.flag_file("refuses-enable").touch()  # the second deployment fails, too
    assert deployer.deploy("1/1")[1]["01-1"][0] == "failed"
    assert first_rasp.deployed_files() == previous
    first_rasp.flag_file("refuses-enable").unlink()
    assert deployer.deploy("1/1") == (0, {"01-1": ("ok", "")})
    assert "pirack_greeting_number 8" in first_rasp.metrics()


def test_concurrent_deployment_is_rejected(deployer: Deployer, first_rasp: SshRasp) -> None:
    first_rasp.flag_file("hangs-at-restart").touch()
    first = deployer.start("1/1")
    wait_until(first_rasp.flag_file("hung").exists)
    results = deployer.deploy("1/1")
    assert results == (
        1,
        {"01-1": ("failed", "another deployment is running on this rasp: try again")},
    )
    first_rasp.flag_file("hangs-at-restart").unlink()
    assert deployer.finish(first) == (0, {"01-1": ("ok", "")})


def test_invalid_exporter_archive_is_rejected(deployer: Deployer) -> None:
    process = deployer.start("--exporter", deployer.aliases)
    _, err = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 2
    assert err == (
        f"pirack: {deployer.aliases} is not a valid exporter archive:"
        " build one with `make exporter.pyz`\n"
    )


def test_rasp_without_address_is_reported(deployer: Deployer) -> None:
    assert deployer.deploy("1/3") == (
        1,
        {"01-3": ("failed", "no address yet: run `pirack install`")},
    )
