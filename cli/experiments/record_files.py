"""Write what belongs to the record of a run into its folder."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cli.api_client import ApiClient, ControllerError
from cli.experiments.api import fetch_events
from cli.experiments.models import ApiRun
from cli.experiments.run_folders import PLAN_FILE

_OPENMETRICS = "application/openmetrics-text"


def save_from_controller(client: ApiClient, run: int, folder: Path) -> tuple[Any, list[str]]:
    """Write the run, its plan, its events and its metrics.

    Return the run as received, and a warning for each missing file.

    Raises:
        CommandError: If the run does not exist.
        ControllerError: If the run cannot be read.
    """
    response = client.get(f"experiments/{run}", ApiRun)
    sources: Mapping[str, Callable[[], str]] = {
        PLAN_FILE: lambda: response.data.text,
        "run.json": lambda: json.dumps(response.json, indent=2) + "\n",
        "plan.json": lambda: canonical_json(response.json["plan"]),
        "events.jsonl": lambda: json_lines(fetch_events(client, run).json),
        "metrics.openmetrics": lambda: client.get_text(f"experiments/{run}/metrics", _OPENMETRICS),
    }
    warnings = []
    for name, read in sources.items():
        try:
            content = read()
        except ControllerError as error:
            warnings.append(f"the record of run {run} has no {name}: {error.message}")
        else:
            (folder / name).write_text(content, encoding="utf-8")
    return response.json, warnings


def canonical_json(value: Any) -> str:
    """Return JSON in the form of which the controller publishes the hash."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def json_lines(values: list[Any]) -> str:
    """Return a line of JSON for each value."""
    return "".join(f"{json.dumps(value)}\n" for value in values)
