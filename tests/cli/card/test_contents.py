"""The files that a card gets, and when."""

from pathlib import Path

import pytest

from cli.card.contents import KERNEL_ARGUMENTS, CardError, CardSources, card_files
from tests.cli.card.stock_images import BOOKWORM, BOOKWORM_CMDLINE, TRIXIE

SOURCES = CardSources.load(Path("deploy/card"), {"aliases.ini": b"[a]\n"})


def encode(files: dict[str, str]) -> dict[str, bytes]:
    return {name: content.encode() for name, content in files.items()}


def test_image_without_cloud_init_runs_firstrun_and_changes_cmdline_last() -> None:
    files = card_files(encode(BOOKWORM), SOURCES)
    assert list(files)[-2:] == ["firstrun.sh", "cmdline.txt"]
    assert files["cmdline.txt"].decode() == f"{BOOKWORM_CMDLINE.strip()} {KERNEL_ARGUMENTS}\n"
    assert files["pirack/aliases.ini"] == b"[a]\n"
    assert "pirack/install.sh" in files


def test_image_with_cloud_init_gets_its_files_and_user_data_last() -> None:
    files = card_files(encode(TRIXIE), SOURCES)
    assert list(files)[-3:] == ["meta-data", "network-config", "user-data"]
    assert not {"cmdline.txt", "firstrun.sh"} & set(files)


@pytest.mark.parametrize("stock", [BOOKWORM, TRIXIE], ids=["firstrun", "cloud-init"])
def test_second_run_writes_the_same_files(stock: dict[str, str]) -> None:
    first = card_files(encode(stock), SOURCES)
    assert card_files({**encode(stock), **first}, SOURCES) == first


def test_id_depends_on_the_installed_files() -> None:
    other = CardSources(
        {**SOURCES.installed, "aliases.ini": b"[b]\n"},
        SOURCES.boot,
    )
    reordered = CardSources(dict(sorted(SOURCES.installed.items(), reverse=True)), SOURCES.boot)
    ids = [
        card_files(encode(BOOKWORM), sources)["pirack/id"]
        for sources in (SOURCES, reordered, other)
    ]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("user-data", "#cloud-config\nusers:\n- name: pi\n"),
        ("network-config", "network:\n  version: 2\n"),
        ("firstrun.sh", "#!/bin/bash\nset +e\n"),
        ("cmdline.txt", "root=/dev/sda systemd.run=/boot/firstrun.sh\n"),
        ("custom.toml", "config_version = 1\n"),
        ("rpi-preseed.toml", ""),
        ("userconf.txt", "pi:$6$hash\n"),
        ("sysconf.txt", "# Settings of Debian\nroot_pw=raspberry\n"),
    ],
)
def test_settings_of_another_program_are_not_replaced(name: str, content: str) -> None:
    with pytest.raises(CardError, match=rf"^{name} has settings of another program.*customization"):
        card_files(encode({**BOOKWORM, name: content}), SOURCES)


def test_partition_without_cmdline_is_rejected() -> None:
    with pytest.raises(CardError, match=r"^there is no cmdline\.txt: name the boot partition"):
        card_files({}, SOURCES)
