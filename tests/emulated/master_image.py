"""The SD card, the kernels and the key of an emulated master, which are built if necessary."""

import subprocess
from pathlib import Path

from tests.emulated.cache import cached
from tests.emulated.debian_root import build_debian_root
from tests.emulated.installed_master import checkout_contents, install_master
from tests.emulated.kernels import KERNELS, KernelFiles, KernelSource, build_kernel, kernel_files
from tests.emulated.sd_card import write_card

_FOLDER = Path(__file__).parent
_COMMAND_SECONDS = 1800.0


def debian_root() -> Path:
    """Return the root of a minimal Debian for aarch64."""
    return cached("debian", _sources("debian_root"), build_debian_root)


def kernel(source: KernelSource) -> KernelFiles:
    """Return the files of a kernel."""
    busybox = debian_root() / "bin" / "busybox"
    folder = cached(
        f"kernel_{source.name}",
        _sources("kernels"),
        lambda folder: build_kernel(source, folder, busybox),
    )
    return kernel_files(folder)


def key_pair() -> Path:
    """Return the private key for SSH to the emulated master."""

    def generate(path: Path) -> None:
        path.mkdir()
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path / "key")]
        subprocess.run(command, check=True, timeout=_COMMAND_SECONDS)

    return cached("ssh", [b"ed25519"], generate) / "key"


def master_image() -> Path:
    """Return the image of an SD card with this checkout, installed on Debian."""
    root = debian_root()
    files = {source.name: kernel(source) for source in KERNELS}
    public_key = key_pair().with_suffix(".pub").read_text(encoding="utf-8")
    installed = cached(
        "master",
        [
            root.name.encode(),
            *_sources("installed_master"),
            *checkout_contents(),
        ],
        lambda folder: install_master(root, folder),
    )
    names = [installed.name, public_key, *(str(kernel.modules) for kernel in files.values())]
    return cached(
        "card",
        [*_sources("sd_card"), *(name.encode() for name in names)],
        lambda image: write_card(installed, files.values(), public_key, image),
    )


def _sources(*modules: str) -> tuple[bytes, ...]:
    """Return the source of modules of this folder, which decides what they build."""
    return tuple((_FOLDER / f"{module}.py").read_bytes() for module in modules)
