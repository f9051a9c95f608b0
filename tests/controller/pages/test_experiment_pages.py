"""Tests of the pages of experiments in a browser."""

import re
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from controller.auth.access_control import AccessControl
from controller.experiments.energy import OutletEnergy, RunEnergy
from controller.experiments.model import EventKind, RunEvent, RunState
from controller.experiments.store import RunStore
from tests.controller.conftest import OpenPage
from tests.controller.http_client import BrowserSession, add_users
from tests.controller.pages.recorded_runs import (
    LOSS,
    run_with,
    save_lost_run,
    save_rasp_run,
)

pytestmark = pytest.mark.process

HOSTILE = "<script>window.isHacked = true</script>\"'>&"


@pytest.fixture(autouse=True)
def users(access: AccessControl) -> None:
    add_users(access)


def test_list_leads_to_a_run_with_its_loss_and_its_time_line(
    open_page: OpenPage, run_store: RunStore
) -> None:
    run = save_lost_run(run_store)
    page = open_page(who="otto")
    page.get_by_role("link", name="Experiments").click()
    row = page.locator(f"#run-{run.id}")
    expect(row).to_contain_text("LOST")
    expect(row).to_contain_text(LOSS.summary)
    row.get_by_role("link", name=f"{run.id} raft").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Run {run.id}: raft, seed 7 LOST")
    stack = page.get_by_role("img", name="Stack 02:")
    expect(stack).to_have_attribute(
        "aria-label",
        "Stack 02: up for 30.0 s, then off for 5.0 s, then down for 30.0 s, then up for 35.0 s",
    )
    expect(
        page.get_by_role("img", name="Operations per second: ok 0 to 849; info 0 to 12")
    ).to_be_visible()
    expect(page.locator("svg path.fault")).to_have_count(2)  # the fault and its legend
    expect(page.locator("#fault-1 td")).to_have_text(
        ["02-1 02-2", "10.000 s", "10.000 s", "5.000 s", "5.010 s", "10.2 s", "45.0 s"]
    )
    expect(page.locator("#fault-2 td").nth(2)).to_have_text("–")
    expect(page.locator("#events + table tbody tr").first).to_contain_text("-90.0 s")
    expect(page.get_by_role("main")).to_contain_text(f"pirack experiment replay {run.id}")


def test_run_that_cuts_rasps_shows_the_bar_and_the_energy_of_each_rasp(
    open_page: OpenPage, run_store: RunStore
) -> None:
    run = save_rasp_run(run_store)
    page = open_page(f"/experiments/{run.id}", who="otto")
    expect(page.get_by_role("img", name="Rasp ")).to_have_count(48)
    expect(page.get_by_role("img", name="Rasp 02-3:")).to_have_attribute(
        "aria-label",
        "Rasp 02-3: up for 32.0 s, then off for 7.0 s, then down for 28.0 s, then up for 33.0 s",
    )
    expect(page.get_by_role("img", name="Rasp 02-4: up for 100.0 s")).to_be_visible()
    energy = page.get_by_role("region", name="Energy")
    expect(energy.get_by_role("row", name=re.compile("^02"))).to_contain_text("0.356 Wh")
    expect(energy.get_by_role("row", name=re.compile("^02"))).to_contain_text("02-4 0.089 Wh")
    expect(energy.get_by_role("row", name=re.compile("^03"))).to_contain_text("at least 0.275 Wh")
    expect(energy.get_by_role("row", name=re.compile("^03"))).to_contain_text("03-2 not measured")
    expect(energy).to_contain_text("At least 4.8 Wh (17,190 J) from the preparation of the run")


def test_run_without_a_meter_has_no_energy(open_page: OpenPage, run_store: RunStore) -> None:
    energy = RunEnergy((OutletEnergy(1, None, None), OutletEnergy(2, None, None)))
    run = run_store.add(replace(run_with(), energy=energy))
    page = open_page(f"/experiments/{run.id}", who="otto")
    expect(page.get_by_role("region", name="Energy")).to_contain_text("Not measured")
    expect(page.get_by_role("region", name="Energy")).not_to_contain_text("Wh")


def test_runs_of_one_experiment_are_listed_by_name(
    open_page: OpenPage, run_store: RunStore
) -> None:
    run_store.add(run_with())
    run_store.add(replace(run_with(), name="blip"))
    page = open_page("/experiments?name=blip", who="otto")
    expect(page.locator("tbody tr")).to_have_count(1)
    page = open_page("/experiments?name=other", who="otto")
    page.get_by_role("link", name="Show all").click()
    expect(page.locator("tbody tr")).to_have_count(2)


def test_aborted_run_shows_its_reason(open_page: OpenPage, run_store: RunStore) -> None:
    run = run_store.add(
        replace(run_with(), state=RunState.ABORTED, reason="rasp 02-1 does not boot within 60 s")
    )
    page = open_page(f"/experiments/{run.id}", who="otto")
    expect(page.get_by_role("heading", level=1)).to_contain_text("aborted")
    status = page.get_by_role("main").get_by_role("status")
    expect(status).to_have_text("rasp 02-1 does not boot within 60 s")
    expect(page.get_by_role("main")).to_contain_text("Nothing to show yet.")
    expect(page.get_by_role("button", name="Stop run")).to_have_count(0)


def test_text_of_users_is_escaped(open_page: OpenPage, run_store: RunStore) -> None:
    run = run_store.add(
        replace(run_with(), actor=HOSTILE, name=HOSTILE, file=HOSTILE, text=HOSTILE)
    )
    run_store.add_event(run.id, RunEvent(1, 1.0, 1.0, EventKind.WARNING, HOSTILE))
    for path in ("/experiments", f"/experiments/{run.id}"):
        page = open_page(path, who="otto")
        expect(page.get_by_role("main")).to_contain_text(HOSTILE)
        assert page.evaluate("window.isHacked") is None


def test_page_of_a_run_that_goes_on_shows_new_events(
    open_page: OpenPage, run_store: RunStore
) -> None:
    run = run_store.add(replace(run_with(), state=RunState.STEADY))
    page = open_page(f"/experiments/{run.id}", who="otto")
    expect(page.get_by_role("button", name="Stop run")).to_be_visible()
    run_store.add_event(run.id, RunEvent(1, 1.0, 1.0, EventKind.WARNING, "prometheus is slow"))
    expect(page.get_by_role("main")).to_contain_text("prometheus is slow")


def test_run_that_has_ended_cannot_be_stopped(open_page: OpenPage, run_store: RunStore) -> None:
    run = run_store.add(replace(run_with(), state=RunState.RECOVERY))
    page = open_page(f"/experiments/{run.id}", who="otto")
    run_store.save(replace(run, state=RunState.DONE))
    page.get_by_role("button", name="Stop run").click()
    expect(page.get_by_role("main")).to_contain_text("run 1 is already done")


@pytest.mark.parametrize("path", ["/experiments", "/experiments/1"])
def test_viewers_may_not_read_experiments(url: str, run_store: RunStore, path: str) -> None:
    save_lost_run(run_store)
    session = BrowserSession(url)
    session.log_in("vera")
    assert session.get(path).status_code == 403
    assert "Experiments" not in session.get("/").text


def test_pages_fit_a_phone(open_page: OpenPage, run_store: RunStore) -> None:
    runs = save_lost_run(run_store), save_rasp_run(run_store)
    for path in ("/experiments", *(f"/experiments/{run.id}" for run in runs)):
        page = open_page(path, who="otto", width=360)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_missing_run_is_not_found(open_page: OpenPage) -> None:
    page = open_page("/experiments/99", who="otto")
    expect(page.get_by_role("main")).to_contain_text("no run 99")
