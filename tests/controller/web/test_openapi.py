"""Tests of the OpenAPI document, and of the API against this document."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator, FormatChecker

from controller import API_PREFIX
from controller.auth.access_control import AccessControl
from controller.auth.roles import Role
from tests.controller.fakes import FakeRackState
from tests.helpers.waiting import TIMEOUT_SECONDS

PATH = f"{API_PREFIX}/openapi.json"

SCHEMATHESIS_CONFIG = Path(__file__).with_name("schemathesis.toml")

SEED = 2016
MANY = [pytest.mark.verify, pytest.mark.timeout(1800)]
ALL_PHASES = "examples,coverage,fuzzing"
# `make test` sends few random requests to each operation, and `make verify` all kinds and many.
PHASES_AND_EXAMPLES = [
    pytest.param("examples,fuzzing", 3, id="few"),
    pytest.param(ALL_PHASES, 500, id="many", marks=MANY),
]


@pytest.fixture
def document(client: FlaskClient) -> Any:
    return client.get(PATH).json


def assert_conforms_to_document(
    url: str,
    folder: Path,
    access: AccessControl,
    phases: str,
    examples: int,
    *options: str,
) -> None:
    """Run Schemathesis as an admin, with valid and invalid requests."""
    token = access.tokens.add("schemathesis", Role.ADMIN)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", f"--config-file={SCHEMATHESIS_CONFIG}"),
            *("run", url + PATH, "--checks", "all"),
            *("--phases", phases, "--seed", str(SEED)),
            *("--max-examples", str(examples), "--generation-database", "none"),
            *("--header", f"Authorization: Bearer {token}"),
            *("--request-timeout", "60", "--no-color", *options),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS * max(5, examples / 10),
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout, done.stdout


@pytest.mark.process
@pytest.mark.parametrize(("phases", "examples"), PHASES_AND_EXAMPLES)
def test_responses_conform_to_the_document(
    url: str,
    rack_state: FakeRackState,
    access: AccessControl,
    tmp_path: Path,
    phases: str,
    examples: int,
) -> None:
    rack_state.temperatures = {"03-2": 48.3, "09-1": 81.0}
    rack_state.state_values |= {"07-1": 0.0, "09-1": 3.0, "11-4": 4.0, "12-1": 9.0}
    assert_conforms_to_document(url, tmp_path, access, phases, examples)


@pytest.mark.process
@pytest.mark.verify
@pytest.mark.timeout(1800)
def test_responses_conform_to_the_document_with_a_broken_database(
    url: str, rack_state: FakeRackState, access: AccessControl, tmp_path: Path
) -> None:
    rack_state.is_database_broken = True
    excluded = "not_a_server_error,positive_data_acceptance"
    assert_conforms_to_document(
        url, tmp_path, access, ALL_PHASES, 500, "--exclude-checks", excluded
    )


def test_document_is_valid(document: Any) -> None:
    import schemathesis  # noqa: PLC0415 - takes long, and each pytest worker loads this file

    assert document["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(document).validate()


def test_document_contains_every_endpoint(app: Flask, document: Any) -> None:
    endpoints = {
        (re.sub(r"<\w+:(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
        if rule.rule.startswith(API_PREFIX) and method not in {"HEAD", "OPTIONS"}
    }
    assert endpoints == {
        (path, method) for path, methods in document["paths"].items() for method in methods
    }


def test_every_endpoint_has_a_name_a_summary_and_described_fields(document: Any) -> None:
    operations = [
        operation for methods in document["paths"].values() for operation in methods.values()
    ]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for operation in operations:
        assert operation["summary"].endswith(".")
        assert operation["tags"]
        assert [
            field["name"] for field in operation["parameters"] if not field["description"]
        ] == []


def test_every_endpoint_documents_the_errors_of_all_requests(document: Any) -> None:
    for methods in document["paths"].values():
        for operation in methods.values():
            errors = {"400", "401", "405", "422", "431", "503"}
            assert errors <= operation["responses"].keys(), operation["operationId"]


def test_every_example_conforms_to_its_schema(document: Any) -> None:
    count = 0
    for schema in document["components"]["schemas"].values():
        for example in schema.get("examples", []):
            full_schema = schema | {"components": document["components"]}
            Draft202012Validator(full_schema, format_checker=FormatChecker()).validate(example)
            count += 1
    assert count >= 4


def test_errors_are_problems_and_successes_have_an_etag(document: Any) -> None:
    responses = document["paths"][f"{API_PREFIX}/rasps"]["get"]["responses"]
    assert {"200", "304", "401", "404", "405", "422", "503"} <= responses.keys()
    assert "content" not in responses["304"]
    assert responses["200"]["headers"].keys() == {"ETag"}
    for status, response in responses.items():
        if status >= "400":
            assert list(response["content"]) == ["application/problem+json"]


def test_unchanged_document_is_304(client: FlaskClient) -> None:
    etag = client.get(PATH).headers["ETag"]
    assert client.get(PATH, headers={"If-None-Match": etag}).status_code == 304
