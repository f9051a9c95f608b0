"""Metadata of a record as a Process Run Crate, so that others can find out what its files are.

Specifications: RO-Crate 1.1, https://w3id.org/ro/crate/1.1, and its profile Process Run Crate 0.5,
https://w3id.org/ro/wfrun/process/0.5. The dates are those of the run, so that the same run gives
the same metadata.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from cli.experiments.models import ApiRun

METADATA_FILE = "ro-crate-metadata.json"

_CRATE = "https://w3id.org/ro/crate/1.1"
_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_ROOT = "./"
_LICENSE = "#license"
_PIRACK = "pirack"
_PLAN_FILE = "plan.toml"

_JSON = "application/json"
_JSON_LINES = "application/jsonl"
_TEXT = "text/plain"

_FILES = {
    _PLAN_FILE: ("Plan file", "The experiment as its author wrote it", "application/toml"),
    "plan.json": ("Plan", "The plan file and the seed, expanded to faults with times", _JSON),
    "run.json": ("Run", "State, verdict, energy, versions and hash of the layout", _JSON),
    "events.jsonl": ("Events", "Edges of power, silences, answers, orders and aborts", _JSON_LINES),
    "history.jsonl": ("History", "Operations of the client, with Jepsen's fields", _JSON_LINES),
    "history.edn": (
        "History in EDN",
        "The history for Jepsen and Elle",
        "application/edn",
    ),
    "metrics.openmetrics": (
        "Metrics",
        "Measurements of the rack during the run",
        "application/openmetrics-text",
    ),
    "client.json": ("Client", "Exit status of the client, and its clock", _JSON),
}
_OUTPUTS = {".stdout": "Standard output", ".stderr": "Standard error"}

Entity = dict[str, Any]


def crate_metadata(run: ApiRun, sizes: Mapping[str, int]) -> dict[str, Any]:
    """Return the content of ro-crate-metadata.json.

    Args:
        run: The run.
        sizes: Bytes of each file of the record.
    """
    files = [_file(name, size) for name, size in sorted(sizes.items()) if name != METADATA_FILE]
    programs = [_program(name, version) for name, version in sorted(run.versions.items())]
    energy = list(_energy(run))
    return {
        "@context": f"{_CRATE}/context",
        "@graph": [
            _descriptor(),
            _root(run, files, energy),
            {
                "@id": _PROFILE,
                "@type": "CreativeWork",
                "name": "Process Run Crate",
                "version": "0.5",
            },
            _license(),
            _action(run, files, programs),
            {"@id": _actor_id(run), "@type": "Person", "name": run.actor},
            *programs,
            *energy,
            *files,
        ],
    }


def _descriptor() -> Entity:
    return {
        "@id": METADATA_FILE,
        "@type": "CreativeWork",
        "conformsTo": {"@id": _CRATE},
        "about": {"@id": _ROOT},
    }


def _root(run: ApiRun, files: list[Entity], energy: list[Entity]) -> Entity:
    root: Entity = {
        "@id": _ROOT,
        "@type": "Dataset",
        "conformsTo": {"@id": _PROFILE},
        "name": _run_name(run),
        "description": (
            "Record of an experiment with power cuts on a rack of Raspberry Pis."
            f" State: {run.state}. Result: {run.result}. {run.summary}"
        ).strip(),
        "datePublished": _date(run.finished_at or run.started_at),
        "license": {"@id": _LICENSE},
        "author": {"@id": _actor_id(run)},
        "hasPart": _references(files),
        "mentions": {"@id": _action_id(run)},
    }
    return root | ({"variableMeasured": _references(energy)} if energy else {})


def _license() -> Entity:
    return {
        "@id": _LICENSE,
        "@type": "CreativeWork",
        "name": "No license",
        "description": "The author has not stated a license. Ask the author before you reuse this.",
    }


def _action(run: ApiRun, files: list[Entity], programs: list[Entity]) -> Entity:
    is_complete = run.state == "done"
    action: Entity = {
        "@id": _action_id(run),
        "@type": "CreateAction",
        "name": _run_name(run),
        "description": f"Plan {run.plan_hash} on the stacks {_stacks(run)}",
        "instrument": _references(programs),
        "agent": {"@id": _actor_id(run)},
        "object": _references([file for file in files if file["@id"] == _PLAN_FILE]),
        "result": _references([file for file in files if file["@id"] != _PLAN_FILE]),
        "startTime": _date(run.started_at),
        "actionStatus": f"http://schema.org/{'Completed' if is_complete else 'Failed'}ActionStatus",
    }
    if run.finished_at is not None:
        action["endTime"] = _date(run.finished_at)
    if not is_complete:
        action["error"] = run.reason or f"the run is {run.state}"
    return action


def _program(name: str, version: str) -> Entity:
    return {
        "@id": f"#program-{name}",
        "@type": "SoftwareApplication",
        "name": "PiRack" if name == _PIRACK else name,
        "softwareVersion": version,
    }


def _energy(run: ApiRun) -> Iterator[Entity]:
    """Yield the measured energy of the run and of its outlets."""
    if run.energy is None:
        return
    if run.energy.joules is not None and run.energy.is_complete:
        yield _joules("#energy", "Energy of the run", run.energy.joules)
    for outlet in run.energy.outlets:
        if outlet.joules is not None:
            id_ = f"#energy-{outlet.place.replace(' ', '-')}"
            yield _joules(id_, f"Energy of {outlet.place}", outlet.joules)


def _joules(id_: str, name: str, joules: float) -> Entity:
    return {
        "@id": id_,
        "@type": "PropertyValue",
        "name": name,
        "value": joules,
        "unitText": "J",
    }


def _file(name: str, size: int) -> Entity:
    title, description, media_type = _FILES.get(name) or _output(name)
    return {
        "@id": name,
        "@type": "File",
        "name": title,
        "description": description,
        "encodingFormat": media_type,
        "contentSize": str(size),
    }


def _output(name: str) -> tuple[str, str, str]:
    stem, _, suffix = name.rpartition(".")
    title = _OUTPUTS.get(f".{suffix}", "File")
    return f"{title} of {stem}", f"{title} of a command of the plan: {stem}", _TEXT


def _run_name(run: ApiRun) -> str:
    replay = "" if run.replay_of is None else f", replay of run {run.replay_of}"
    return f"Run {run.id} of {run.name}, seed {run.seed}{replay}"


def _action_id(run: ApiRun) -> str:
    return f"#run-{run.id}"


def _actor_id(run: ApiRun) -> str:
    return f"#actor-{run.actor}"


def _stacks(run: ApiRun) -> str:
    return " ".join(str(stack) for stack in run.plan.stacks)


def _references(entities: list[Entity]) -> Entity | list[Entity]:
    """Return references, and a single one without a list, as RO-Crate recommends."""
    references = [{"@id": entity["@id"]} for entity in entities]
    return references[0] if len(references) == 1 else references


def _date(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds")
