"""Command that checks the master without the controller."""

import json
from dataclasses import astuple

import click
from prometheus_client import CollectorRegistry

from controller.alerts.secret import basic_authorization
from controller.alerts.secret import load as load_secret
from controller.audit import BACKUP_ACTION, Audit
from controller.doctor.checks import DoctorSources, all_checks
from controller.doctor.examination import Examiner
from controller.doctor.schemas import DoctorResponse
from controller.master.services import monitored_services
from controller.options import ControllerOptions
from controller.state.model import RackState
from controller.state.prometheus import Prometheus
from controller.state.reader import RackStateReader
from rack.database import ReadOnlyDatabase
from rack.inventory import Inventory
from rack.layout import Rack
from rack.layout_file import load
from rack.power import commanded_power
from rack.privileges import as_owner_of
from rack.terminal import EXIT_FAILED, findings_text, print_table


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def doctor(context: click.Context, *, as_json: bool) -> None:
    """Check the master, also while the controller does not run. Change nothing.

    The exit status is 1 if there are findings.
    """
    options: ControllerOptions = context.obj
    rack = load(options.rack)
    with as_owner_of(options.db.parent):
        report = Examiner(all_checks(_sources(options, rack))).examine()
    if as_json:
        click.echo(json.dumps(DoctorResponse.of(report).model_dump(mode="json"), indent=2))
    else:
        print_table(findings_text(map(astuple, report.findings), len(report.checks)))
    context.exit(EXIT_FAILED if report.findings else 0)


def _sources(options: ControllerOptions, rack: Rack) -> DoctorSources:
    headers = basic_authorization(load_secret(options.alerts_secret_path))

    def read_state() -> RackState:
        database = ReadOnlyDatabase(options.db)
        reader = RackStateReader(
            rack,
            Inventory(database),
            Prometheus(options.prometheus),
            CollectorRegistry(),
            commanded=lambda: commanded_power.load_all(database, rack),
            reserved_by=dict,
        )
        return reader.read()

    return DoctorSources(
        rack=rack,
        options=options,
        state=read_state,
        rasp_count=lambda: len(Inventory(ReadOnlyDatabase(options.db)).rasps()),
        newest_backup=lambda: Audit(ReadOnlyDatabase(options.db)).newest(BACKUP_ACTION),
        services=monitored_services(options, headers),
        headers=headers,
    )
