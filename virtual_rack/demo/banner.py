"""What the demo prints when it is ready: addresses, credentials and commands to copy."""

from collections.abc import Sequence
from pathlib import Path

from cli import token
from cli.api_client import DEFAULT_URL, URL_VARIABLE
from virtual_rack.demo.config import DemoConfig
from virtual_rack.demo.credentials import Credentials
from virtual_rack.demo.processes import ProcessSpec


def welcome_text(config: DemoConfig, specs: Sequence[ProcessSpec], credentials: Credentials) -> str:
    """Return the text. It contains only variables and options that differ from their defaults."""
    state_option = "" if config.state == Path(".demo") else f" --state {config.state}"
    url = "" if config.controller_url == DEFAULT_URL else f"{URL_VARIABLE}={config.controller_url}"
    lines = [
        "",
        f"Rack            {config.controller_url}",
        f"API             {config.controller_url}/api/v1.0/rasps",
        *(f"{spec.name:15} {spec.page_url}" for spec in specs if spec.page_url),
        "",
        "Viewing requires no login. To submit orders during this run:",
        f"  log in        {credentials.user}, password {credentials.password}",
        f"  API token     {credentials.token}",
        "",
        "In a terminal, in this folder:",
        *([f"  export {url}"] if url else []),
        "  .venv/bin/pirack status",
        "  .venv/bin/pirack top",
        "",
        "In a terminal, in another folder:",
        f"  export {' '.join(filter(None, [url, f'{token.VARIABLE}={credentials.token}']))}",
        f"  {Path('.venv/bin/pirack').absolute()} status",
        "",
        "Inject and clear a fault:",
        f"  .venv/bin/python -m virtual_rack fault 3/2 dead{state_option}",
        f"  .venv/bin/python -m virtual_rack heal 3/2{state_option}",
        "",
        "What to try next: docs/tutorial.md",
        "",
        "Press Ctrl-C to stop the demo.",
    ]
    return "\n".join(lines)
