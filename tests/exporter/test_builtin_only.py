"""Tests that builtin-only commands are detected and do not affect their shared shell."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.aliases import DEFAULT_PATH, load
from exporter.builtin_only import assigned_variables
from exporter.shared_shell import BuiltinOnlyCommand, SharedShell

PROBE = '[ "$ROOT" = /x ] && read -r x z < /proc/version && echo "7$y$x"'


def test_packaged_aliases_are_builtin_only_or_native() -> None:
    commands = {alias.command for alias in load(DEFAULT_PATH).metrics}
    others = {command for command in commands if assigned_variables(command) is None}
    assert others == {"statvfs / available", "statvfs / size", "btime", "root_readonly"}


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        ("echo 1", frozenset()),
        ("read -r x _ < /proc/loadavg && echo $x", frozenset({"x", "_"})),
        ("x=$((1 + (2 << 3) % 5)); echo ${x%.*}", frozenset({"x"})),
        ('for f in /sys/*/x[0-9]; do read -r v < "$f"; done', frozenset({"f", "v"})),
        ("case $x in a|b*) echo 1;; *) echo 2;; esac", frozenset()),
        ("while read -r k; do\ncase $k in\nx) echo 1\n;;\nesac\ndone < /f", frozenset({"k"})),
        ("if [ -e /x ]; then echo 1; elif ! true; then echo 2; else echo 3; fi", frozenset()),
        ("read -r x < /f 2>/dev/null || echo 0", frozenset({"x"})),
        ("printf '%s $(id) `id`\\n' \"a;b|c&d>e\"", frozenset()),
        ("x=1 y=2; echo \\\n  $x", frozenset({"x", "y"})),
        ("# don't `id`\nx=1 # $(id)\necho $x", frozenset({"x"})),
    ],
)
def test_variables_of_a_builtin_only_command_are_returned(
    command: str, variables: frozenset[str]
) -> None:
    assert assigned_variables(command) == variables


@pytest.mark.parametrize(
    "command",
    [
        "exit 3", "kill $$", "cd /", "unset PATH", "set -e", "exec </dev/null", "trap x EXIT",
        "IFS=x", "PATH=/x", "ROOT=/", "read IFS", "for PATH in x; do true; done", "umask 0",
        "ls", "/bin/ls", "./x", "$x", "'echo' 1", "e\\cho", "echo 1 | cat", "echo 1 &",
        "echo `id`", 'echo "$(id)"', 'echo "`id`"', "echo $((1 + $(id)))", 'echo "$((`id`))"',
        "(echo)", "{ echo; }", "f() { echo; }", "echo() { true; }", "function f", "alias echo=id",
        ". /x", "eval echo", "command id", "x=1 id", "! id", "if id; then true; fi", "then id",
        "while id; do true; done", "echo; id", "echo && id", "echo || id", "echo\nid", "fi; id",
        "case x in x) id;; esac", "case x in x) true;; y) id;; esac", "echo a) id", "esac id",
        "echo > /x", "echo >> /x", "echo 2> /x", "echo 2>/dev/null2", "read x <&3", "cat << E\nE",
        "echo $((x=1))", "echo $((x+=1))", "echo $((x<<=1))", "echo $((x++))", "echo ${x=1}",
        "echo ${x:=1}", "echo ${x?}", "echo 'a", 'echo "a', "echo $((1", "echo ${x",
        "echo x\\\n# c\nid", "echo x#`id`", "# c\nid", "printf -v x 1", "read -u 3 x", "read $x",
        "read x$y", "x[1]=2", "echo <(id)", "readonly x",
        "export x=1", "local x", "return", "shift", "sleep 1", "time true", "coproc x", "[[ 1 ]]",
        "echo \x85", "for x; do true; done", "until id; do true; done", "echo $'a'", "export",
    ],
)  # fmt: skip
def test_any_other_command_is_not_builtin_only(command: str) -> None:
    assert assigned_variables(command) is None


FRAGMENTS = [
    "echo", "read", "-r", "x", "y", "1", "$x", '"$y"', "=", "x=", "y=1", "<", "/proc/loadavg",
    "/nowhere", ";", "\n", "&&", "||", ";;", "if", "then", "else", "fi", "while", "do", "done",
    "for", "in", "case", "esac", ")", "|", "*", "true", "false", "[", "]", "!", "break",
    "continue", "$((", "))", "+", "printf", "'%s'", "{", "}", "(", "id", "exit", "ROOT=", "#",
    "$(id)", "`id`", "2>/dev/null", ">", "&", "\\\n", "'", '"', "${x%1}", "${x:-2}", "1/0",
]  # fmt: skip


@pytest.mark.process
@settings(max_examples=400)
@example(["echo", "1", "\n", "}"])
@example(["while", "true", ";", "do", "true", ";", "done"])
@example(["for", "x", "in", "1", ";", "do", "continue", ";", "done"])
@given(st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=12))
def test_builtin_only_command_does_not_affect_next_command(words: list[str]) -> None:
    command = " ".join(words)
    variables = assigned_variables(command)
    if variables is None:
        return
    shell = SharedShell({"ROOT": "/x", "PATH": "/nowhere"})
    random_command = BuiltinOnlyCommand(command, variables, 0.1)
    probe = BuiltinOnlyCommand(PROBE, frozenset({"x", "z"}), 2)
    try:
        for _ in range(2):
            results = shell.run((random_command, probe), deadline=float("inf"))
            # The command may break the shell. The runner then runs the other commands without it.
            assert not results or results[1].output == b"7Linux\n"
    finally:
        shell.end()
