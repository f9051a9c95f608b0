"""The OpenAPI document, and the application held against it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator, FormatChecker

from controller.auth.access_control import AccessControl
from controller.auth.roles import Role
from controller.web.openapi import VERSION
from tests.controller.fakes import FakeRackState

PREFIX = f"/api/v{VERSION}"
PATH = f"{PREFIX}/openapi.json"

SCHEMATHESIS_CONFIG = Path(__file__).with_name("schemathesis.toml")

# Schemathesis asks the same at every run, and has its dozen seconds.
EXAMPLES_PER_OPERATION = 50
SEED = 2016


@pytest.fixture
def document(client: FlaskClient) -> Any:
    return client.get(PATH).json


def assert_conforms_to_document(
    url: str, folder: Path, access: AccessControl, *options: str
) -> None:
    """Let Schemathesis, an operator, ask what the document allows, and much that it does not."""
    token = access.tokens.add("schemathesis", Role.OPERATOR)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", f"--config-file={SCHEMATHESIS_CONFIG}"),
            *("run", url + PATH, "--checks", "all"),
            *("--phases", "examples,coverage,fuzzing", "--seed", str(SEED)),
            *("--max-examples", str(EXAMPLES_PER_OPERATION), "--generation-database", "none"),
            *("--header", f"Authorization: Bearer {token}"),
            *("--request-timeout", "10", "--no-color", *options),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout, done.stdout


def test_whatever_is_asked_the_answer_is_as_the_document_says(
    url: str, rack_state: FakeRackState, access: AccessControl, tmp_path: Path
) -> None:
    rack_state.temperatures = {"03-2": 48.3, "09-1": 81.0}
    rack_state.state_values |= {"07-1": 0.0, "09-1": 3.0, "11-4": 4.0, "12-1": 9.0}
    assert_conforms_to_document(url, tmp_path, access)


def test_with_a_broken_database_every_answer_is_still_as_the_document_says(
    url: str, rack_state: FakeRackState, access: AccessControl, tmp_path: Path
) -> None:
    rack_state.is_database_broken = True
    excused = "not_a_server_error,positive_data_acceptance"
    assert_conforms_to_document(url, tmp_path, access, "--exclude-checks", excused)


def test_the_document_is_an_openapi_document(document: Any) -> None:
    assert document["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(document).validate()


def test_every_endpoint_of_the_api_is_in_the_document(app: Flask, document: Any) -> None:
    endpoints = {
        (rule.rule.replace("<int:", "{").replace(">", "}"), method.lower())
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
        if rule.rule.startswith(PREFIX) and method not in {"HEAD", "OPTIONS"}
    }
    assert endpoints == {
        (path, method) for path, methods in document["paths"].items() for method in methods
    }


def test_every_endpoint_tells_its_name_what_it_does_and_what_it_takes(document: Any) -> None:
    operations = [each for methods in document["paths"].values() for each in methods.values()]
    names = [each["operationId"] for each in operations]
    assert len(set(names)) == len(names)
    for each in operations:
        assert each["summary"].endswith(".")
        assert each["tags"]
        assert [field["name"] for field in each["parameters"] if not field["description"]] == []


def test_every_example_of_the_document_fits_its_own_schema(document: Any) -> None:
    tried = 0
    for schema in document["components"]["schemas"].values():
        for example in schema.get("examples", []):
            whole = schema | {"components": document["components"]}
            Draft202012Validator(whole, format_checker=FormatChecker()).validate(example)
            tried += 1
    assert tried >= 4


def test_an_error_is_a_problem_and_an_answer_has_an_etag(document: Any) -> None:
    answers = document["paths"][f"{PREFIX}/rasps"]["get"]["responses"]
    assert {"200", "304", "401", "404", "405", "422", "503"} <= answers.keys()
    assert "content" not in answers["304"]
    assert answers["200"]["headers"].keys() == {"ETag"}
    for status, answer in answers.items():
        if status >= "400":
            assert list(answer["content"]) == ["application/problem+json"]


def test_who_has_the_document_does_not_get_it_again(client: FlaskClient) -> None:
    etag = client.get(PATH).headers["ETag"]
    assert client.get(PATH, headers={"If-None-Match": etag}).status_code == 304
