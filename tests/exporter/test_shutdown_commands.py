"""Tests that commands which end the system are found, and commands that only name them are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.shutdown_commands import find_shutdown_command


@pytest.mark.parametrize(
    "command",
    [
        "reboot", "/sbin/reboot", "sudo reboot", "X=1 sudo -u root reboot", "env X=1 reboot",
        "exec reboot", "nohup nice -n 5 reboot", "nice -n5 reboot", "timeout -k 1 5 reboot",
        "busybox reboot", "true | xargs reboot", "shutdown -r now", "systemctl reboot",
        "sudo -n systemctl --no-block reboot", "systemctl start reboot.target", "systemctl kexec",
        "init 6", "sh -c reboot", 'sudo bash -lc "sleep 1; reboot"', "su -c reboot", "eval reboot",
        "eval 'sleep 1; reboot'", "x=reboot; $x", "x=/sbin/reboot; sudo ${x}", "'reboot'",
        "re\\boot", "r'e'boot", "\\reboot", "true && reboot", "true || reboot", "true;reboot",
        "true | reboot", "reboot &", "echo 1\nreboot", "echo \\\n 1; reboot", "(reboot)",
        "{ reboot; }", "f() { reboot; }; f", "! reboot", "if true; then reboot; fi",
        "while true; do reboot; done", "case x in x) reboot;; esac", "case x in (x) reboot;; esac",
        "case x in\n  a|b)\n    reboot\n    ;;\nesac", "$(case x in x) reboot;; esac)",
        "$(reboot)", "`reboot`", "echo $(date; reboot)", 'echo "$(reboot)"', 'echo "`reboot`"',
        'echo "${x:-$(reboot)}"', "echo $(( $(reboot) ))", "echo $((1<<3))\nreboot",
        "cat <<END\nx\nEND\nreboot", "cat <<-'A B'\n\tA B\nreboot", "> /tmp/x reboot",
        "true 2>&1;reboot", "echo x#y; reboot", "echo 1 # don't\nreboot", "echo $#; reboot",
    ],
)  # fmt: skip
def test_command_that_reboots_is_found(command: str) -> None:
    assert find_shutdown_command(command) == "reboot"


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("/usr/sbin/shutdown -h now", "shutdown"),
        ("systemctl poweroff", "poweroff"),
        ("systemctl isolate halt.target", "halt"),
        ("init 0", "shutdown"),
        ("halt", "halt"),
    ],
)
def test_command_that_powers_off_is_found(command: str, found: str) -> None:
    assert find_shutdown_command(command) == found


@pytest.mark.parametrize(
    "command",
    [
        "last reboot | grep -c boot", "sudo last reboot", "timeout 5 last reboot",
        "last -x shutdown | wc -l", "cat /run/systemd/shutdown/scheduled",
        "[ -e /run/systemd/shutdown/scheduled ] && echo 1 || echo 0", "cat /run/reboot-required",
        "read -r x < /run/systemd/shutdown/scheduled && echo $x", "journalctl -u reboot.target",
        "systemctl status reboot.target", "systemctl is-active halt.target", "which reboot",
        "command -v reboot", "ls /usr/sbin/halt", "grep -c reboot /var/log/syslog", "echo reboot",
        "echo $(last reboot | wc -l)", 'echo "last: $(last reboot)"', "echo 'x; reboot'",
        "awk '/reboot/ {n++} END {print n}' /f", "sed -n 's/;reboot//p' /f", "x=reboot; echo $x",
        "echo 1 # reboot", "# reboot\necho 1", "echo 1; # ;reboot", "cat <<END\nreboot\nEND",
        "case $x in reboot) echo 1;; halt|poweroff) echo 2;; esac", "for x in halt; do true; done",
        "case $x in\n  halt)\n    echo 1\n    ;;\n  reboot | poweroff)\n    echo 2\nesac",
        "echo 1 > reboot", "cat rebooted", "cat x_halt", "shutdowns", "halt.sh", "init 3",
    ],
)  # fmt: skip
def test_command_that_only_names_a_shutdown_is_accepted(command: str) -> None:
    assert find_shutdown_command(command) is None


@given(st.text(st.sampled_from("reboot halt;|&()$`'\"\\\n<>#{}=x")))
def test_any_text_is_examined_without_an_error(text: str) -> None:
    assert find_shutdown_command(text) in {None, "reboot", "halt"}


@given(st.text(st.characters(blacklist_characters="'")))
def test_quoted_text_is_an_argument(text: str) -> None:
    assert find_shutdown_command(f"echo '{text}'") is None
