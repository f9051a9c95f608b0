"""Tests of the initramfs and of the order of kernel modules."""

import stat

from tests.emulated.kernels import cpio_archive, load_order, parse_dependencies

MODULES = """\
kernel/fs/ext4/ext4.ko: kernel/fs/mbcache.ko kernel/fs/jbd2/jbd2.ko
kernel/fs/jbd2/jbd2.ko:
kernel/fs/mbcache.ko:
kernel/arch/arm64/crypto/crc32c-generic.ko.xz:
"""


def test_modules_are_loaded_after_those_that_they_require() -> None:
    dependencies = parse_dependencies(MODULES)
    assert load_order(dependencies, ["ext4", "crc32c_generic", "mbcache"]) == (
        "kernel/fs/jbd2/jbd2.ko",
        "kernel/fs/mbcache.ko",
        "kernel/fs/ext4/ext4.ko",
        "kernel/arch/arm64/crypto/crc32c-generic.ko.xz",
    )


def test_module_that_is_built_into_the_kernel_is_omitted() -> None:
    assert load_order(parse_dependencies(MODULES), ["crc16"]) == ()


def test_initramfs_contains_names_modes_and_contents() -> None:
    archive = cpio_archive({"bin": (stat.S_IFDIR | 0o755, b""), "init": (0o100755, b"run")})
    assert archive[:14] == b"07070100000000"
    assert archive[14:22] == b"000041ED"  # a folder with mode 755
    assert archive[110:116] == b"bin\0\0\0"  # padded to a multiple of 4
    assert b"init\0\0run\0" in archive
    assert archive.rstrip(b"\0").endswith(b"TRAILER!!!")
    assert len(archive) % 4 == 0
