"""Tests of aliases files, valid and invalid."""

import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.aliases import DEFAULT_PATH, Aliases, AliasesError, load, parse

FILE = Path("rasp.ini")


def commands(text: str) -> dict[str, str]:
    return {alias.metric: alias.command for alias in parse(text, FILE).metrics}


def error_text(text: str) -> str:
    with pytest.raises(AliasesError) as caught:
        parse(text, FILE)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_alias_line_of_the_original_pirack_is_valid() -> None:
    line = "[Stack] CPU = cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"
    assert commands(line) == {
        "pirack_stack_cpu": "cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"
    }


def test_header_and_aliases_can_be_on_separate_lines() -> None:
    assert commands("[stack]\ncpu = echo 1\nMem = echo 2\n") == {
        "pirack_stack_cpu": "echo 1",
        "pirack_stack_mem": "echo 2",
    }


def test_indented_lines_continue_a_command() -> None:
    assert commands(
        "[a]\nb =\n    if true\n    then [ 1 = 1 ] && echo 1\n    fi\nc = echo 2\n"
    ) == {
        "pirack_a_b": "if true\nthen [ 1 = 1 ] && echo 1\nfi",
        "pirack_a_c": "echo 2",
    }


def test_indented_bracket_continues_a_command() -> None:
    assert commands("[a]\nb = true &&\n  [ 1 = 1 ] && echo 1\n")["pirack_a_b"].endswith("&& echo 1")


CASE = """read -r state < /sys/class/net/lo/operstate
case "$state" in
    up)
        echo 1
        ;;
    *)
        echo 0
        ;;
esac"""


def test_indented_comment_belongs_to_the_command() -> None:
    text = "[a]\nb =\n    # zone 0 is the SoC\n    echo 48\n    ; true\nc = echo 2\n"
    assert commands(text) == {
        "pirack_a_b": "# zone 0 is the SoC\necho 48\n; true",
        "pirack_a_c": "echo 2",
    }
    assert [alias.help for alias in parse(text, FILE).metrics][1] == "echo 2"


def test_indented_assignment_after_a_comment_belongs_to_the_command() -> None:
    text = "[a]\nb =\n    read -r x < /f\n    # convert\n    scale=1000; echo $((x / scale))\n"
    assert commands(text) == {
        "pirack_a_b": "read -r x < /f\n# convert\nscale=1000; echo $((x / scale))"
    }


def test_unindented_comment_does_not_end_a_command() -> None:
    text = "[a]\nb =\n    echo 1\n# switched off:\n    true\nc = echo 2\n"
    assert commands(text) == {"pirack_a_b": "echo 1\ntrue", "pirack_a_c": "echo 2"}


def test_double_semicolon_of_a_case_belongs_to_the_command() -> None:
    indented = CASE.replace("\n", "\n    ")
    assert commands(f"[a]\nb =\n    {indented}\n\nc = echo 2\n") == {
        "pirack_a_b": CASE,
        "pirack_a_c": "echo 2",
    }


def test_here_document_keeps_empty_lines_and_indentation() -> None:
    document = "python3 - <<END\n    for x in (1,):\n\n        print(x)\n    END"
    text = f"[a]\nb =\n    {document}\n\nc = true\n"
    assert commands(text) == {
        "pirack_a_b": "python3 - <<END\nfor x in (1,):\n\n    print(x)\nEND",
        "pirack_a_c": "true",
    }


def test_indented_bracket_after_an_empty_line_continues_a_command() -> None:
    assert commands("[a]\nb =\n  true\n\n  [ 1 = 1 ] && echo 1\n") == {
        "pirack_a_b": "true\n\n[ 1 = 1 ] && echo 1"
    }


def test_all_aliases_of_a_section_can_be_indented() -> None:
    assert commands("[a]\n  # One.\n  b =\n    echo 1\n  c = echo 2\n") == {
        "pirack_a_b": "echo 1",
        "pirack_a_c": "echo 2",
    }


def test_first_equals_sign_separates_alias_and_command() -> None:
    assert commands("[a]\nb = x=1; echo ${x%:*} # %(c)s ; d\n") == {
        "pirack_a_b": "x=1; echo ${x%:*} # %(c)s ; d"
    }


def test_default_is_an_ordinary_section() -> None:
    assert commands("[DEFAULT]\na = echo 1\n[b]\nc = echo 2\n").keys() == {
        "pirack_default_a",
        "pirack_b_c",
    }


def test_help_is_comment_above_alias_or_command() -> None:
    text = (
        "# not this\n\n[a]\n# Two\n# lines\nb = echo 1\nc = echo 2\n# not this either\n\nd = echo 3"
    )
    assert [alias.help for alias in parse(text, FILE).metrics] == ["Two lines", "echo 2", "echo 3"]


def test_comment_above_section_is_not_help_of_alias() -> None:
    text = "# All of them.\n[a]\nx = echo 1\n# This one.\n[Stack] CPU = echo 2\n"
    assert [alias.help for alias in parse(text, FILE).metrics] == ["echo 1", "This one."]


def test_timeout_option_sets_the_timeout_of_its_alias() -> None:
    timeouts = [a.timeout for a in parse("[a]\nb = x\nb.timeout = 2.5\nc = y\n", FILE).metrics]
    assert timeouts == [2.5, None]


def test_name_that_ends_in_total_is_a_counter() -> None:
    assert [a.is_counter for a in parse("[a]\nb_total = x\nc = y\n", FILE).metrics] == [True, False]


def test_actions_are_not_metrics() -> None:
    aliases = parse("[a]\nb = echo 1\n[Actions]\nreboot = systemctl reboot\n", FILE)
    assert [alias.metric for alias in aliases.metrics] == ["pirack_a_b"]
    assert aliases.actions["reboot"].command == "systemctl reboot"


def test_packaged_file_has_every_default_metric() -> None:
    assert {alias.metric for alias in load(DEFAULT_PATH).metrics} == {
        "pirack_cpu_temperature_celsius",
        "pirack_cpu_busy_seconds_total",
        "pirack_cpu_frequency_hertz",
        "pirack_cpu_load1",
        "pirack_memory_available_bytes",
        "pirack_memory_total_bytes",
        "pirack_disk_available_bytes",
        "pirack_disk_size_bytes",
        "pirack_disk_readonly",
        "pirack_power_condition",
        "pirack_boot_time_seconds",
        "pirack_uptime_seconds",
    }


def test_packaged_file_has_the_actions_of_a_rack() -> None:
    assert {"reboot", "shutdown", "identify"} <= load(DEFAULT_PATH).actions.keys()


@pytest.mark.parametrize(
    ("text", "message"),
    {
        "a section left open": ("[a\nb = echo 1\n", "1: unterminated section name: add"),
        "no section": ("b = echo 1\n", "1: alias before the first section: add"),
        "no command": ("[a]\nb\n", "2: expected [section] or alias = command: write"),
        "empty command": ("[a]\n\nb =\n", "3: b has no command: add"),
        "same alias": ("[a]\nb = x\nB = y\n", "3: [a] already has b, in line 2: remove"),
        "same section": ("[a]\nb = x\n[a]\nc = y\n", "3: [a] already exists, in line 1: move"),
        "same metric": (
            "[a]\nb_c = x\n[a_b]\nc = y\n",
            "4: pirack_a_b_c is already used by pirack_a_b_c in line 2: rename",
        ),
        "same family": (
            "[a]\nb = x\nb_total = y\n",
            "3: pirack_a_b_total is already used by pirack_a_b in line 2: rename",
        ),
        "own metric": ("[alias]\nsuccess = x\n", "2: pirack_alias_success is a metric of"),
        "bad section": ("[a b]\nc = x\n", "1: [a b] is not a valid section name: use"),
        "bad alias": ("[a]\n9b = x\n", "2: '9b' is not a valid alias name: use"),
        "timeout without alias": ("[a]\nb = x\nc.timeout = 1\n", "3: c.timeout has no alias"),
        "bad setting": ("[a]\nb = x\nb.retries = 1\n", "3: b.retries has no alias"),
        "bad timeout": (
            "[a]\nb = x\nb.timeout = 1 min\n",
            "3: '1 min' is not a valid timeout: write",
        ),
        "zero timeout": ("[a]\nb = x\nb.timeout = 0\n", "3: '0' is not a valid timeout: write"),
        "infinite timeout": (
            "[a]\nb = x\nb.timeout = inf\n",
            "3: 'inf' is not a valid timeout: write",
        ),
        "control character": (
            "[a]\nb = x\x00\n",
            "2: b contains the control character '\\x00': remove",
        ),
        "bad statvfs": ("[a]\nb = statvfs / used\n", "2: unknown statvfs field 'used': write"),
        "piped statvfs": ("[a]\nb = statvfs / size | cat\n", "2: statvfs takes two arguments"),
        "relative statvfs": ("[a]\nb = statvfs . size\n", "2: statvfs needs an absolute path"),
        "piped btime": ("[a]\nb = btime | cat\n", "2: btime takes no arguments"),
        "one-line form": ("\n[a] b = x\nc\n", "3: expected [section] or"),
    }.values(),
)
def test_invalid_file_raises_error_with_line_and_fix(text: str, message: str) -> None:
    assert error_text(text).startswith(f"rasp.ini:{message}")


def test_file_without_aliases_is_rejected() -> None:
    assert error_text("# nothing\n").startswith("rasp.ini: no aliases: add one")


@pytest.mark.parametrize("command", ["sudo reboot", "echo 1\n  reboot", "x=reboot; $x"])
def test_shutdown_command_is_rejected_outside_of_actions(command: str) -> None:
    message = error_text(f"[a]\nb = {command}\n")
    assert message == "rasp.ini:2: b would run reboot at each scrape: move it to [actions]"
    assert parse(f"[actions]\nb = {command}\n", FILE).actions


def test_file_that_is_not_utf_8_is_rejected_with_line_number(tmp_path: Path) -> None:
    path = tmp_path / "a.ini"
    path.write_bytes(b"[a]\nb = echo 1\n# 48\xb0C\n")
    with pytest.raises(AliasesError, match=r"a\.ini:3: not UTF-8: save the file as UTF-8$"):
        load(path)


def test_missing_file_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(AliasesError, match=r"file not found: name an existing file$"):
        load(tmp_path / "a.ini")


def test_folder_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(AliasesError, match="is a directory"):
        load(tmp_path)


def test_windows_line_endings_and_byte_order_mark_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "a.ini"
    path.write_bytes(b"\xef\xbb\xbf[a]\r\nb = echo 1\r\nc\r\n")
    with pytest.raises(AliasesError, match=r":3: expected"):
        load(path)


@given(st.text(alphabet=st.sampled_from("[]=ab# ;\n\t\r'\"$(){}|&\\é\x00\u2028reboot.timeout")))
def test_any_text_is_parsed_or_rejected_with_one_line(text: str) -> None:
    try:
        aliases = parse(text, FILE)
    except AliasesError as error:
        message = str(error)
    else:
        assert aliases.metrics or aliases.actions
        names = [alias.metric for alias in aliases.metrics]
        assert len(set(names)) == len(names)
        return
    assert message.startswith("rasp.ini:")
    assert len(message.splitlines()) == 1


# Without `from_regex`, which takes twice as long.
LETTERS = string.ascii_letters + "_"
NAMES = st.builds(
    str.__add__, st.sampled_from(LETTERS), st.text(LETTERS + string.digits, max_size=8)
)
COMMANDS = (
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=22)
    .map(str.strip)
    .filter(re.compile(r"[a-zA-Z0-9$|&<>;'\"(){}\[\]=%:#/.-]").match)
)


def to_ini(aliases: dict[str, dict[str, str]]) -> str:
    return "\n".join(
        f"[{section}]\n" + "\n".join(f"{name} = {command}" for name, command in entries.items())
        for section, entries in aliases.items()
    )


@pytest.mark.slow
@given(
    st.dictionaries(
        NAMES.map(lambda name: f"s{name}"), st.dictionaries(NAMES, COMMANDS, min_size=1), min_size=1
    )
)
def test_written_aliases_are_parsed_unchanged(entries: dict[str, dict[str, str]]) -> None:
    try:
        aliases: Aliases = parse(to_ini(entries), FILE)
    except AliasesError:
        return
    assert [(alias.section, alias.name, alias.command) for alias in aliases.metrics] == [
        (section.lower(), name.lower(), command)
        for section, commands in entries.items()
        for name, command in commands.items()
    ]
