"""Parsing of log files that the real rsyslogd writes in each of its formats."""

import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from dhcp_installer.dhcpd.log_events import DhcpMessageType, is_server_start, parse_line
from tests.helpers.waiting import wait_until
from tools.programs import find

pytestmark = pytest.mark.process

MAC = "b8:27:eb:01:02:03"
SPOOFED_MAC = "de:ad:be:ef:00:01"
BUILT_IN_TEMPLATES = [
    "RSYSLOG_TraditionalFileFormat",
    "RSYSLOG_FileFormat",
    "RSYSLOG_SyslogProtocol23Format",
]
# The built-in formats for forwarding, with a line end, and the format of BusyBox.
OTHER_TEMPLATES = {
    "forward": "<%PRI%>%TIMESTAMP:::date-rfc3339% %HOSTNAME% %syslogtag%%msg%\\n",
    "traditional-forward": "<%PRI%>%TIMESTAMP% %HOSTNAME% %syslogtag%%msg%\\n",
    "facility": "%timestamp% %hostname% %syslogfacility-text%.%syslogseverity-text%"
    " %syslogtag%%msg%\\n",
}
TEMPLATES = [*BUILT_IN_TEMPLATES, *OTHER_TEMPLATES]
SENT = [
    "<30>Nov 28 06:42:44 dhcpd[812]: Internet Systems Consortium DHCP Server 4.4.3-P1",
    "<30>Nov 28 06:42:44 dhcpd[812]: Server starting service.",
    *[f"<30>Nov 28 06:42:45 dhcpd[812]: DHCPDISCOVER from {MAC} via br0"] * 3,
    f"<30>Nov 28 06:42:46 dhcpd[812]: DHCPACK on 10.23.1.1 to {MAC} (x) via eth9 (y) via br0",
    f"<38>Nov 28 06:42:46 sshd[9]: Invalid user dhcpd[1]: DHCPACK on 10.23.1.1 to {SPOOFED_MAC}",
    f"<38>Nov 28 06:42:46 sshd[9]: DHCPDISCOVER from {SPOOFED_MAC} via br0",
    "<30>Nov 28 06:42:47 dhcpd[812]: the last message",
]


def configuration(folder: Path) -> str:
    lines = [
        f'global(workDirectory="{folder}")',
        'module(load="imuxsock" SysSock.Use="off")',
        "$RepeatedMsgReduction on",
        *(
            f'template(name="{name}" type="string" string="{text}")'
            for name, text in OTHER_TEMPLATES.items()
        ),
        f'input(type="imuxsock" Socket="{folder}/socket" CreatePath="on")',
        *(f'action(type="omfile" file="{folder}/{name}" template="{name}")' for name in TEMPLATES),
    ]
    return "".join(f"{line}\n" for line in lines)


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Sequence[str]]]:
    """Return the lines that rsyslogd writes in each template."""
    rsyslogd = find("rsyslogd")
    folder = tmp_path_factory.mktemp("rsyslog")
    (folder / "rsyslog.conf").write_text(configuration(folder))
    modules = sorted({file.parent for file in rsyslogd.path.parents[1].glob("lib/*/rsyslog/*.so")})
    arguments = ["-n", "-f", str(folder / "rsyslog.conf"), "-i", str(folder / "pid")]
    for module_folder in modules:
        arguments += ["-M", str(module_folder)]
    with subprocess.Popen(
        [*rsyslogd.command, *arguments], env=rsyslogd.environment, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            wait_until(lambda: (folder / "socket").exists() or process.poll() is not None)
            assert process.poll() is None, process.communicate()[1]
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
                client.connect(str(folder / "socket"))
                for line in SENT:
                    client.send(line.encode())

            def read() -> dict[str, Sequence[str]]:
                return {
                    name: (folder / name).read_text().splitlines()
                    if (folder / name).exists()
                    else ()
                    for name in TEMPLATES
                }

            wait_until(
                lambda: all(
                    lines and lines[-1].endswith("the last message") for lines in read().values()
                )
            )
            yield read()
        finally:
            process.terminate()


@pytest.mark.parametrize("template", TEMPLATES)
def test_each_format_of_rsyslog_is_read(logs: dict[str, Sequence[str]], template: str) -> None:
    lines = logs[template]
    assert [is_server_start(line) for line in lines].count(True) == 1
    events = [event for line in lines if (event := parse_line(line, 0.0))]
    assert [(event.message_type, event.is_repeated) for event in events] == [
        (DhcpMessageType.DISCOVER, False),
        (DhcpMessageType.DISCOVER, True),
        (DhcpMessageType.ACK, False),
    ]
    assert {(event.mac, event.interface) for event in events} == {(MAC, "br0")}
    assert SPOOFED_MAC in "".join(lines)
