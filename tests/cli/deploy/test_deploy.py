"""`pirack deploy`, by real sshds, to rasps where only systemd is played."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import requests

from deploy import make_pyz
from rack.database import Database
from rack.inventory import Inventory, Rasp
from rack.layout_file import load
from tests.cli.deploy.ssh_testbed import (
    EXPORTER_PORT,
    RaspOptions,
    SshRasp,
    SshTestbed,
    running_ssh_testbed,
)
from tests.cli.terminal import PIRACK
from tests.helpers.layouts import layout_text
from tests.helpers.waiting import free_port, wait_until

NET = f"127.{24 + os.getpid() % 100}"
ALIASES = "[greeting]\nnumber = echo 7\n[actions]\nreboot = systemctl reboot\n"
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
    """A controller of this rack, in which all rasps but that of slot 3 were found."""
    folder = tmp_path_factory.mktemp("controller")
    layout = folder / "rack.toml"
    layout.write_text(
        layout_text(slots=3, network_prefix=NET, network={"exporter_port": EXPORTER_PORT})
    )
    (folder / "targets").mkdir()
    slots = load(layout).slots[:2]
    Inventory(Database(folder / "pirack.db")).replace(
        [
            Rasp(slot.stack, slot.number, f"b8:27:eb:00:00:{slot.id:02x}", slot.address)
            for slot in slots
        ]
    )
    port = free_port()
    words: list[str | Path] = [
        "--rack",
        layout,
        "--db",
        folder / "pirack.db",
        "--targets",
        folder / "targets",
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "controller", *words, "--listen", f"127.0.0.1:{port}",
             "--anonymous", "viewer"],
            stdout=log, stderr=log,
        )  # fmt: skip
    wait_until(lambda: is_reachable(port) or process.poll() is not None)
    assert process.poll() is None, (folder / "log").read_text()
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()


def is_reachable(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).ok
    except requests.ConnectionError:
        return False


class Deployer:
    """Somebody who deploys from a home folder of theirs."""

    def __init__(self, testbed: SshTestbed, controller_url: str, pyz: Path) -> None:
        self.testbed = testbed
        self.aliases = testbed.home / "aliases.ini"
        self.aliases.write_text(ALIASES)
        self._command: list[str | Path] = [
            PIRACK,
            "deploy",
            "--exporter",
            pyz,
            "--aliases",
            self.aliases,
            "--json",
        ]
        self._environment = {
            "HOME": str(testbed.home),
            "PATH": "/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "PIRACK_URL": controller_url,
        }

    def start(self, *arguments: str | Path) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*self._command, *arguments],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, process: "subprocess.Popen[str]") -> tuple[int, dict[str, Any]]:
        """Return the exit status, and result and detail of each rasp."""
        out, err = process.communicate(timeout=60)
        assert err == ""
        found = {each["rasp"]: (each["result"], each["detail"]) for each in json.loads(out)}
        return process.returncode, found

    def deploy(self, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
        return self.finish(self.start(*arguments))


@pytest.fixture
def testbed(tmp_path: Path) -> Iterator[SshTestbed]:
    with running_ssh_testbed(tmp_path / "room", [f"{NET}.1.1", f"{NET}.1.2"]) as room:
        yield room


@pytest.fixture
def first_rasp(testbed: SshTestbed) -> SshRasp:
    return testbed.rasps[0]


@pytest.fixture
def deployer(testbed: SshTestbed, controller_url: str, pyz: Path) -> Deployer:
    return Deployer(testbed, controller_url, pyz)


def test_all_rasps_get_all_files_and_their_exporters_answer(
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


def test_a_second_deploy_brings_what_is_new(deployer: Deployer, first_rasp: SshRasp) -> None:
    deployer.deploy("1/1")
    deployer.aliases.write_text("[greeting]\nnumber = echo 8\n")
    assert deployer.deploy("1/1") == (0, {"01-1": ("ok", "")})
    assert "pirack_greeting_number 8" in first_rasp.metrics()
    assert set(first_rasp.deployed_files()) == DEPLOYED_FILES


def test_an_alias_that_does_not_work_on_a_rasp_is_told(deployer: Deployer) -> None:
    deployer.aliases.write_text("[greeting]\nnumber = echo 7\nother = false\n")
    assert deployer.deploy("1/1") == (0, {"01-1": ("ok", "no value here from [greeting] other")})


def test_a_bad_aliases_file_reaches_no_rasp(deployer: Deployer, testbed: SshTestbed) -> None:
    deployer.aliases.write_text("[greeting]\nnumber = reboot\n")
    process = deployer.start()
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert err == (
        f"pirack: {deployer.aliases}:2: number would run reboot at each scrape: move it to [actions]\n"
    )
    assert [rasp.log.count("Accepted") for rasp in testbed.rasps] == [0, 0]


@pytest.mark.parametrize("step", ["daemon-reload", "enable", "restart"])
def test_where_systemd_refuses_the_old_files_are_back_and_serve(
    deployer: Deployer, testbed: SshTestbed, first_rasp: SshRasp, step: str
) -> None:
    assert deployer.deploy("1/1-2")[0] == 0
    before = first_rasp.deployed_files()
    deployer.aliases.write_text("[greeting]\nnumber = echo 8\n")
    first_rasp.flag_file(f"refuses-{step}").touch()
    status, told = deployer.deploy("1/1-2")
    result, detail = told["01-1"]
    assert (status, result, told["01-2"]) == (1, "failed", ("ok", ""))
    assert "is refused: Job for pirack-exporter.service failed.; the old files are back" in detail
    assert first_rasp.deployed_files() == before
    first_rasp.flag_file(f"refuses-{step}").unlink()
    assert "pirack_greeting_number 8" in testbed.rasps[1].metrics()
    if step != "restart":
        wait_until(lambda: "pirack_greeting_number 7" in first_rasp.metrics())


def test_on_a_bare_rasp_a_refused_start_leaves_nothing_behind(
    deployer: Deployer, first_rasp: SshRasp
) -> None:
    first_rasp.flag_file("refuses-restart").touch()
    status, told = deployer.deploy("1/1")
    assert (status, told["01-1"][0]) == (1, "failed")
    assert told["01-1"][1].endswith("; nothing was left behind")
    assert first_rasp.deployed_files() == {}
    assert not first_rasp.flag_file("enabled").exists()


def test_an_exporter_that_does_not_answer_gives_way_to_the_old_one(
    deployer: Deployer, first_rasp: SshRasp, pyz: Path, tmp_path: Path
) -> None:
    assert deployer.deploy("1/1")[0] == 0
    before = first_rasp.deployed_files()
    unit = tmp_path / "other.service"
    unit.write_text("[Service]\nExecStart=/bin/sleep 600\n")
    status, told = deployer.deploy("1/1", "--unit", unit)
    assert (status, told["01-1"][0]) == (1, "failed")
    assert "the new exporter does not answer at" in told["01-1"][1]
    assert first_rasp.deployed_files() == before
    wait_until(lambda: "pirack_greeting_number 7" in first_rasp.metrics())


def test_a_full_disk_is_named_and_leaves_the_rasp_as_it_was(
    controller_url: str, pyz: Path, tmp_path: Path
) -> None:
    with running_ssh_testbed(tmp_path / "room", [f"{NET}.1.1"], RaspOptions(disk="16k")) as room:
        me = Deployer(room, controller_url, pyz)
        assert me.deploy("1/1")[0] == 0
        before = room.rasps[0].deployed_files()
        me.aliases.write_text(ALIASES + "# " + "x" * 60_000 + "\n")
        status, told = me.deploy("1/1")
        assert (status, told["01-1"][0]) == (1, "failed")
        assert "No space left on device" in told["01-1"][1]
        assert room.rasps[0].deployed_files() == before
        assert "pirack_greeting_number 7" in room.rasps[0].metrics()


def test_a_rasp_whose_python_does_not_do_is_left_alone(
    controller_url: str, pyz: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "python3"
    broken.write_text("#!/bin/sh\necho 'python3: cannot open shared object file' >&2\nexit 127\n")
    with running_ssh_testbed(
        tmp_path / "room", [f"{NET}.1.1"], RaspOptions(python=str(broken))
    ) as room:
        told = Deployer(room, controller_url, pyz).deploy("1/1")
        assert told == (1, {"01-1": ("failed", "python3: cannot open shared object file")})
        assert room.rasps[0].deployed_files() == {}


def test_who_logs_in_as_somebody_else_gets_there_by_sudo_without_a_password(
    controller_url: str, pyz: Path, tmp_path: Path
) -> None:
    with running_ssh_testbed(
        tmp_path / "may", [f"{NET}.1.1"], RaspOptions(rule="pi ALL=(ALL) NOPASSWD: ALL")
    ) as room:
        assert Deployer(room, controller_url, pyz).deploy("1/1") == (0, {"01-1": ("ok", "")})
        assert set(room.rasps[0].deployed_files()) == DEPLOYED_FILES
    with running_ssh_testbed(
        tmp_path / "not", [f"{NET}.1.1"], RaspOptions(rule="pi ALL=(ALL) ALL")
    ) as room:
        told = Deployer(room, controller_url, pyz).deploy("1/1")
        assert told == (1, {"01-1": ("failed", "sudo: a password is required")})
        assert room.rasps[0].deployed_files() == {}


def test_a_changed_and_an_unknown_host_key_are_refused(
    deployer: Deployer, testbed: SshTestbed
) -> None:
    testbed.write_known_hosts(
        {testbed.rasps[0].address: asyncssh.generate_private_key("ssh-ed25519")}
    )
    status, told = deployer.deploy("1/1-2")
    assert (status, {result for result, _ in told.values()}) == (1, {"failed"})
    for rasp, (_, detail) in zip(testbed.rasps, told.values(), strict=True):
        assert detail == (
            "its host key is not the one in known_hosts, or none is there:"
            f" look at it with `ssh {rasp.address}`"
        )
        assert rasp.deployed_files() == {}


def test_a_rasp_that_does_not_take_the_key_or_is_away_is_told_and_the_others_are_done(
    deployer: Deployer, testbed: SshTestbed
) -> None:
    testbed.rasps[0].close()
    status, told = deployer.deploy("1/1-2")
    assert (status, told["01-1"][0], told["01-2"]) == (1, "failed", ("ok", ""))
    assert told["01-1"][1].startswith("no SSH: ")
    testbed.rasps[1].path("/run/keys").write_text("")
    assert "it does not take your key" in deployer.deploy("1/2")[1]["01-2"][1]


def test_a_rasp_that_is_lost_on_the_way_ends_by_itself_and_is_told_as_unknown(
    deployer: Deployer, first_rasp: SshRasp
) -> None:
    deployer.deploy("1/1")
    deployer.aliases.write_text("[greeting]\nnumber = echo 8\n")
    first_rasp.flag_file("hangs-at-restart").touch()
    process = deployer.start("1/1")
    wait_until(first_rasp.flag_file("hung").exists)
    for session in first_rasp.sessions():
        if session.name() == "sshd":
            session.kill()
    status, told = deployer.finish(process)
    assert (status, told["01-1"][0]) == (1, "unknown")
    assert told["01-1"][1].endswith("the rasp goes on, or undoes it, by itself; deploy again")
    first_rasp.flag_file("hangs-at-restart").unlink()
    wait_until(lambda: "pirack_greeting_number 8" in first_rasp.metrics())
    wait_until(lambda: set(first_rasp.deployed_files()) == DEPLOYED_FILES)


def test_after_a_power_cut_in_the_midst_of_it_the_next_deploy_begins_with_undoing(
    deployer: Deployer, first_rasp: SshRasp
) -> None:
    deployer.deploy("1/1")
    before = first_rasp.deployed_files()
    deployer.aliases.write_text("[greeting]\nnumber = echo 8\n")
    first_rasp.flag_file("hangs-at-restart").touch()
    process = deployer.start("1/1")
    wait_until(first_rasp.flag_file("hung").exists)
    for deployment in first_rasp.deploy_processes():
        deployment.kill()
    assert deployer.finish(process)[1]["01-1"][0] == "unknown"
    assert first_rasp.deployed_files() != before
    first_rasp.flag_file("hangs-at-restart").unlink()
    first_rasp.flag_file("refuses-enable").touch()  # the second one fails, too
    assert deployer.deploy("1/1")[1]["01-1"][0] == "failed"
    assert first_rasp.deployed_files() == before
    first_rasp.flag_file("refuses-enable").unlink()
    assert deployer.deploy("1/1") == (0, {"01-1": ("ok", "")})
    assert "pirack_greeting_number 8" in first_rasp.metrics()


def test_of_two_deploys_at_once_one_is_refused(deployer: Deployer, first_rasp: SshRasp) -> None:
    first_rasp.flag_file("hangs-at-restart").touch()
    first = deployer.start("1/1")
    wait_until(first_rasp.flag_file("hung").exists)
    told = deployer.deploy("1/1")
    assert told == (1, {"01-1": ("failed", "another deploy is at work here: try again")})
    first_rasp.flag_file("hangs-at-restart").unlink()
    assert deployer.finish(first) == (0, {"01-1": ("ok", "")})


def test_what_is_no_exporter_is_refused_before_anybody_is_asked(deployer: Deployer) -> None:
    process = deployer.start("--exporter", deployer.aliases)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err == (
        f"pirack: {deployer.aliases} is no exporter: make one with `make exporter.pyz`\n"
    )


def test_a_rasp_that_was_never_found_has_no_address_to_bring_it_to(deployer: Deployer) -> None:
    assert deployer.deploy("1/3") == (1, {"01-3": ("failed", "it has no address yet: install it")})
