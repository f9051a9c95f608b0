"""The configurations in docs/how-to/reverse-proxy.md, with the real proxies in front of the pages.

The examples are used without HTTPS, which needs certificates, and with free ports.
"""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from flask import Flask

from controller.auth.access_control import SESSION_COOKIE, AccessControl
from rack.settings import Anonymous
from tests.controller.http_client import PASSWORDS, add_users
from tests.controller.running_server import running_server
from tests.helpers.waiting import TIMEOUT_SECONDS, free_port, is_reachable, wait_until
from tools.programs import Program, find

pytestmark = pytest.mark.process

GUIDE = Path("docs/how-to/reverse-proxy.md").read_text(encoding="utf-8")
APACHE_MODULES = ("mpm_event", "authz_core", "headers", "proxy", "proxy_http")


def example(language: str, controller_url: str) -> str:
    """Return the example of a proxy for another controller, without HTTPS."""
    match = re.search(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    assert match
    lines = [line for line in match[1].splitlines() if not re.match(r" *(ssl_|SSL)", line)]
    return "\n".join(lines).replace("127.0.0.1:8080", urlsplit(controller_url).netloc)


def nginx(folder: Path, controller_url: str, port: int) -> tuple[Program, list[str]]:
    server = example("nginx", controller_url).replace("443 ssl", f"127.0.0.1:{port}")
    folders = " ".join(
        f"{name}_temp_path {folder / name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log stderr; user root root;\n"
        f"events {{}}\nhttp {{ access_log off; {folders}\n{server}\n}}\n"
    )
    return find("nginx"), ["-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, controller_url: str, port: int) -> tuple[Program, list[str]]:
    site = example("caddy", controller_url).replace(
        "rack.example.org {", f"http://localhost:{port} {{"
    )
    (folder / "Caddyfile").write_text(
        f"{{\n admin off\n storage file_system {folder}\n}}\n{site}\n"
    )
    arguments = ["run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    return find("caddy"), arguments


def apache(folder: Path, controller_url: str, port: int) -> tuple[Program, list[str]]:
    program = find("apache2")
    modules = program.path.parents[1] / "lib/apache2/modules"
    loaded = "\n".join(
        f"LoadModule {name}_module {modules}/mod_{name}.so" for name in APACHE_MODULES
    )
    host = example("apache", controller_url).replace("*:443", f"*:{port}")
    (folder / "apache.conf").write_text(
        f"ServerRoot {folder}\nDefaultRuntimeDir {folder}\nPidFile {folder}/pid\n"
        f"ErrorLog /dev/stderr\nListen 127.0.0.1:{port}\nServerName localhost\n{loaded}\n{host}\n"
    )
    return program, ["-D", "FOREGROUND", "-f", str(folder / "apache.conf")]


Proxy = Callable[[Path, str, int], tuple[Program, list[str]]]


@contextmanager
def running_proxy(proxy: Proxy, folder: Path, controller_url: str) -> Iterator[str]:
    """Run a proxy in front of a controller. Yield the URL of the proxy."""
    port = free_port()
    program, arguments = proxy(folder, controller_url, port)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*program.command, *arguments],
            env=program.environment | {"HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://localhost:{port}/pirack"
        wait_until(lambda: process.poll() is not None or is_reachable(f"{url}/login"))
        assert process.poll() is None, (folder / "log").read_text()
        yield url
    finally:
        process.terminate()
        process.wait(TIMEOUT_SECONDS)


@pytest.fixture
def anonymous() -> Anonymous:
    return "none"


@pytest.fixture(params=[nginx, caddy, apache], ids=lambda proxy: proxy.__name__)
def proxy_url(
    request: pytest.FixtureRequest, app: Flask, access: AccessControl, tmp_path: Path
) -> Iterator[str]:
    """URL of the pages behind a proxy."""
    add_users(access)
    folder = tmp_path / "proxy"
    folder.mkdir()
    with (
        running_server(app, proxy="127.0.0.1") as controller_url,
        running_proxy(request.param, folder, controller_url) as url,
    ):
        yield url


def test_users_log_in_and_read_pages_and_the_api_behind_a_proxy(
    proxy_url: str, access: AccessControl
) -> None:
    session = requests.Session()
    site = proxy_url.removesuffix("/pirack")
    redirect = session.get(f"{proxy_url}/rasps/10", allow_redirects=False, timeout=TIMEOUT_SECONDS)
    assert redirect.headers["Location"] == "/pirack/login?next=/pirack/rasps/10"
    login = session.get(site + redirect.headers["Location"], timeout=TIMEOUT_SECONDS)
    [token] = set(re.findall(r'name="csrf_token" value="([^"]*)"', login.text))
    fields = {
        "name": "otto",
        "password": PASSWORDS["otto"],
        "csrf_token": token,
        "next": "/pirack/rasps/10",
    }
    page = session.post(
        f"{proxy_url}/login", fields, headers={"Origin": site}, timeout=TIMEOUT_SECONDS
    )
    assert page.url == f"{proxy_url}/rasps/10"
    assert "03-2" in page.text
    [cookie] = [each for each in session.cookies if each.name == SESSION_COOKIE]
    assert cookie.path == "/pirack/"
    paths = set(re.findall(r'(?:href|src|action)="(/[^"#]*)"', page.text))
    assert paths
    assert [path for path in paths if not path.startswith("/pirack/")] == []
    style = session.get(f"{proxy_url}/static/pirack.css", timeout=TIMEOUT_SECONDS)
    assert style.headers["Content-Type"].startswith("text/css")
    rasps = session.get(f"{proxy_url}/api/v1.0/rasps", timeout=TIMEOUT_SECONDS).json()
    assert len(rasps) == 48
    assert access.audit.list_recent(1)[0].event.client_address == "127.0.0.1"


def test_headers_of_the_browser_are_replaced_by_the_proxy(
    proxy_url: str, access: AccessControl
) -> None:
    forged = {
        "X-Forwarded-For": "192.0.2.66",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Prefix": "//evil.example",
    }
    response = requests.post(
        f"{proxy_url}/api/v1.0/rack/execute", json={}, headers=forged, timeout=TIMEOUT_SECONDS
    )
    assert response.status_code == 401
    assert access.audit.list_recent(1)[0].event.client_address == "127.0.0.1"
