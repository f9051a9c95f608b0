"""The tests of the exporter and of the rack run with Debian's Python for aarch64."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.emulated.cache import ROOT, cached
from tests.emulated.foreign_programs import ForeignRoot
from tests.emulated.master_image import debian_root
from tests.emulated.report import report

pytestmark = [pytest.mark.emulated, pytest.mark.process, pytest.mark.timeout(3 * 3600)]

VENV = "/opt/tests"
LOCK = ROOT / "requirements" / "dev.lock"
TIMEOUT = 3600.0
# qemu-user does not support PR_SET_CHILD_SUBREAPER, which the exporter uses to kill the processes
# of commands that are not built in.
UNSUPPORTED = (
    "process_group_are_killed",
    "leaves_no_process",
    "check_prints",
    "check_exits_with_status_1",
)


@pytest.fixture(scope="module")
def root() -> ForeignRoot:
    inputs = [debian_root().name.encode(), LOCK.read_bytes(), Path(__file__).read_bytes()]
    return ForeignRoot(cached("python", inputs, build_root))


def build_root(folder: Path) -> None:
    """Add the packages of developers to a root, with this machine's uv, because pip is slow."""
    copy = ["cp", "--archive", "--reflink=auto", str(debian_root()), str(folder)]
    subprocess.run(copy, check=True, timeout=TIMEOUT)
    ForeignRoot(folder).run("python3", "-m", "venv", "--without-pip", VENV)
    venv = folder / VENV.lstrip("/")
    [packages] = venv.glob("lib/python3.*/site-packages")
    install = [
        *(str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--no-deps"),
        *("--python-platform", "aarch64-manylinux_2_36", "--python-version", "3.11"),
        *("--target", str(packages)),
    ]
    wheels_only = ("--require-hashes", "--only-binary", ":all:", "--requirement", str(LOCK))
    subprocess.run([*install, *wheels_only], check=True, timeout=TIMEOUT)
    # The metadata of PiRack, which names the pin factories. Its modules come from the checkout.
    subprocess.run([*install, str(ROOT)], check=True, timeout=TIMEOUT)
    for name in ("exporter", "rack", "dhcp_installer", "controller", "cli", "grafana"):
        shutil.rmtree(packages / name)
    (venv / "bin" / "uv").symlink_to("/" / packages.relative_to(folder) / "bin" / "uv")


@pytest.mark.parametrize("package", ["exporter", "rack"])
def test_tests_of_a_package_pass_on_aarch64(root: ForeignRoot, package: str) -> None:
    output = root.run(
        *(f"{VENV}/bin/python", "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"),
        *("-k", f"not ({' or '.join(UNSUPPORTED)})", f"tests/{package}"),
        folder="/checkout",
        checkout=ROOT,
        variables={"PYTHONPATH": "/checkout", "PYTHONDONTWRITEBYTECODE": "1"},
        timeout=TIMEOUT,
    )
    summary = output.strip().splitlines()[-1].strip("= ")
    assert " passed" in summary
    report(f"aarch64: tests/{package}: {summary}")
