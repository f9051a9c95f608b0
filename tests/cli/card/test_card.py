"""`pirack card` with folders and image files, and the files of a card in their own programs."""

import lzma
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.card.stock_images import (
    BOOKWORM,
    BOOKWORM_CMDLINE,
    IMAGE_BYTES,
    PARTITION_OFFSET,
    PUBLIC_KEY,
    TRIXIE,
    StockImage,
    card_options,
    write_boot_folder,
)
from tests.helpers.forked_program import run_program
from tools.programs import find

pytestmark = pytest.mark.process

FORCED_COMMAND = 'restrict,command="/usr/local/bin/pirack-exporter action --aliases'
RunCard = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    return card_options(tmp_path)


@pytest.fixture
def run(options: list[str], tmp_path: Path) -> RunCard:
    def run_card(
        target: Path, *more: str, path: str = "/usr/bin:/bin"
    ) -> subprocess.CompletedProcess[str]:
        environment = {"HOME": str(tmp_path), "PATH": path, "LC_ALL": "C.UTF-8"}
        return run_program("cli", ["card", target, *options, *more], environment=environment)

    return run_card


def ready(target: Path, way: str) -> str:
    return f"{target} is ready: a Pi installs PiRack 1.2.3 at its start ({way})\n"


@pytest.mark.parametrize(("stock", "way"), [(BOOKWORM, "firstrun.sh"), (TRIXIE, "cloud-init")])
def test_mounted_partition_gets_all_files_and_a_second_run_changes_nothing(
    run: RunCard, tmp_path: Path, stock: dict[str, str], way: str
) -> None:
    boot = write_boot_folder(tmp_path / "boot", stock)
    completed = run(boot)
    assert (completed.stdout, completed.stderr) == (ready(boot, way), "")
    assert (boot / "pirack/authorized_key").read_text().startswith(FORCED_COMMAND)
    assert (boot / "pirack/authorized_key").read_text().endswith(f" {PUBLIC_KEY}\n")
    assert (boot / "pirack/exporter.env").read_text() == "LISTEN=10.23.0.0/16:9849\n"
    first = {path: path.read_bytes() for path in boot.rglob("*") if path.is_file()}
    assert run(boot).returncode == 0
    assert {path: path.read_bytes() for path in boot.rglob("*") if path.is_file()} == first


def test_card_contains_no_login_without_a_login_key(
    run: RunCard, options: list[str], tmp_path: Path
) -> None:
    boot = write_boot_folder(tmp_path / "boot", BOOKWORM)
    run(boot)
    assert (boot / "pirack/login_key").read_bytes() == b""
    run(boot, "--login-key", options[1])
    assert (boot / "pirack/login_key").read_text() == f"{PUBLIC_KEY}\n"
    run(boot)
    assert (boot / "pirack/login_key").read_bytes() == b""


def test_image_is_patched_in_its_boot_partition_only(run: RunCard, tmp_path: Path) -> None:
    image = StockImage(tmp_path / "raspios.img", BOOKWORM)
    image.path.chmod(0o640)
    table = image.path.read_bytes()[:PARTITION_OFFSET]
    for _ in range(2):
        completed = run(image.path, path=f"{image.tools}:/usr/bin:/bin")
        assert (completed.stdout, completed.stderr) == (ready(image.path, "firstrun.sh"), "")
        assert image.read("cmdline.txt").decode().startswith(BOOKWORM_CMDLINE.strip())
        assert image.read("cmdline.txt").decode().count("systemd.run=") == 1
    assert image.read("pirack/install.sh") == Path("deploy/card/install.sh").read_bytes()
    assert {"::/config.txt", "::/firstrun.sh", "::/pirack/id"} <= set(image.list_files())
    assert image.path.read_bytes()[:PARTITION_OFFSET] == table
    assert image.path.stat().st_size == IMAGE_BYTES
    assert stat.S_IMODE(image.path.stat().st_mode) == 0o640


def test_image_with_other_settings_is_not_changed(run: RunCard, tmp_path: Path) -> None:
    image = StockImage(tmp_path / "raspios.img", {**TRIXIE, "user-data": "hostname: a\n"})
    previous, files = image.path.read_bytes(), set(tmp_path.iterdir())
    completed = run(image.path, path=f"{image.tools}:/usr/bin:/bin")
    assert (completed.returncode, completed.stdout) == (2, "")
    assert completed.stderr == (
        f"pirack: {image.path}: user-data has settings of another program, such as Raspberry Pi"
        " Imager: write the image again without customization\n"
    )
    assert image.path.read_bytes() == previous
    assert set(tmp_path.iterdir()) == files


def test_image_that_is_too_small_is_not_changed(run: RunCard, tmp_path: Path) -> None:
    filler = "x" * (IMAGE_BYTES - PARTITION_OFFSET - 60_000)
    image = StockImage(tmp_path / "raspios.img", {**BOOKWORM, "kernel8.img": filler})
    previous = image.path.read_bytes()
    completed = run(image.path, path=f"{image.tools}:/usr/bin:/bin")
    assert (completed.returncode, completed.stdout) == (2, "")
    assert completed.stderr == "pirack: `mcopy`: Disk full\n"
    assert image.path.read_bytes() == previous


def test_missing_mtools_are_named(run: RunCard, tmp_path: Path) -> None:
    image = StockImage(tmp_path / "raspios.img", BOOKWORM)
    completed = run(image.path, path=str(tmp_path))
    assert (completed.returncode, completed.stderr) == (
        2,
        "pirack: mtools is missing: run `sudo apt install mtools`, or mount the boot partition and"
        " name its folder\n",
    )


def test_full_partition_is_reported_and_not_changed(
    run: RunCard, options: list[str], tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system requires root")
    stock = write_boot_folder(tmp_path / "stock", BOOKWORM)
    boot = tmp_path / "boot"
    boot.mkdir()
    script = (
        f'mount -t tmpfs -o size=80k tmpfs {boot}; cp {stock}/* {boot}; "$@"; find {boot} -type f'
    )
    command = [sys.executable, "-m", "cli", "card", str(boot), *options]
    completed = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *command],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "No space left on device: remove other files" in completed.stderr
    assert completed.stderr.count("\n") == 1
    assert set(completed.stdout.splitlines()) == {f"{boot}/{name}" for name in BOOKWORM}


def test_target_that_is_no_image_gets_one_clear_line(run: RunCard, tmp_path: Path) -> None:
    compressed = tmp_path / "raspios.img.xz"
    compressed.write_bytes(lzma.compress(b"image"))
    text = tmp_path / "notes.txt"
    text.write_text("notes\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    device, missing = Path("/dev/null"), tmp_path / "x"
    for target, error in (
        (compressed, f"{compressed} is compressed with xz: unpack it first"),
        (text, f"{text} has no FAT partition: name the image of an SD card, or the folder at which"
               " its boot partition is mounted"),
        (empty, f"{empty}: there is no cmdline.txt: name the boot partition of Raspberry Pi OS or"
                " Debian"),
        (missing, f"cannot open {missing}: No such file or directory: name a mounted boot partition"
                  " or an image file"),
        (device, "/dev/null is a device: mount its boot partition and name the folder"),
    ):  # fmt: skip
        completed = run(target)
        assert (completed.returncode, completed.stdout) == (2, "")
        assert completed.stderr == f"pirack: {error}\n"


def test_invalid_source_file_gets_one_clear_line(run: RunCard, tmp_path: Path) -> None:
    boot = write_boot_folder(tmp_path / "boot", BOOKWORM)
    private = tmp_path / "private"
    private.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    aliases = tmp_path / "aliases.ini"
    aliases.write_text("[greeting]\nnumber = reboot\n")
    hint = "create it on the master with `sudo pirack-controller ssh key`, and copy it here"
    for option, file, error in (
        ("--key", private, f"{private} is not a public SSH key: {hint}"),
        ("--key", tmp_path / "x", f"cannot read {tmp_path}/x: No such file or directory: {hint}"),
        ("--aliases", aliases, f"{aliases}:2: number would run reboot at each scrape:"
                               " move it to [actions]"),
        ("--exporter", private, f"{private} is not a valid exporter archive: build one with"
                                " `make exporter.pyz`"),
    ):  # fmt: skip
        completed = run(boot, option, str(file))
        assert (completed.returncode, completed.stderr) == (2, f"pirack: {error}\n")
    assert {path.name for path in boot.iterdir()} == set(BOOKWORM)


def test_cloud_init_accepts_user_data() -> None:
    cloud_init = find("cloud-init")
    completed = subprocess.run(
        [*cloud_init.command, "schema", "--config-file", "deploy/card/user-data"],
        env=cloud_init.environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert completed.stdout == "Valid cloud-config: deploy/card/user-data\n", completed.stderr


def test_firstrun_removes_the_arguments_of_the_card_even_if_the_installation_fails(
    run: RunCard, tmp_path: Path
) -> None:
    boot = write_boot_folder(tmp_path / "boot", BOOKWORM)
    run(boot)
    (boot / "pirack/install.sh").write_text("exit 1\n")
    script = (boot / "firstrun.sh").read_text()
    (boot / "firstrun.sh").write_text(script.replace("/boot/firmware", str(boot)))
    sh = shutil.which("sh")
    assert sh is not None
    (boot / "cmdline.txt").write_text(
        (boot / "cmdline.txt").read_text().replace("/boot/firmware", str(boot))
    )
    subprocess.run([sh, boot / "firstrun.sh"], check=True, timeout=60)
    assert (boot / "cmdline.txt").read_text() == BOOKWORM_CMDLINE
