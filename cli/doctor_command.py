"""Command that checks the master."""

from dataclasses import astuple, dataclass

import click
from rich.console import RenderableType

from cli import output
from cli.api_client import NoResponseError
from cli.output import as_json_option
from rack.terminal import EXIT_FAILED, findings_text


@dataclass(frozen=True)
class ApiFinding:
    """Problem that a check of the master found."""

    check: str
    severity: str
    problem: str
    reason: str
    fix: str


@dataclass(frozen=True)
class ApiDoctor:
    """Result of the checks of the master."""

    checks: list[str]
    findings: list[ApiFinding]


@click.command()
@as_json_option
@click.pass_context
def doctor(context: click.Context, *, as_json: bool) -> None:
    """Check the master, and show each finding with its fix.

    The exit status is 1 if there are findings.
    """
    try:
        response = context.obj().get_slow("master/doctor", ApiDoctor)
    except NoResponseError as error:
        raise NoResponseError(
            f"{error.message}. On the master, `sudo pirack-controller doctor` makes the same checks"
        ) from error
    output.print_response(response, _render, as_json=as_json)
    context.exit(EXIT_FAILED if response.data.findings else 0)


def _render(report: ApiDoctor) -> RenderableType:
    return findings_text(map(astuple, report.findings), len(report.checks))
