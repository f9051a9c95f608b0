"""Values in the links of dashboards."""

import pytest

from tools.dashboard_pictures.links import link_problems

LABELS = {
    "rack": ["small"],
    "stack": ["01", "02"],
    "rasp": ["01-1", "01-2", "02-1"],
    "alertname": ["PiRackRaspDown"],
}


@pytest.mark.parametrize(
    "link",
    [
        "/d/pirack-rasp?var-rack=small&var-stack=02&var-rasp=02-1&from=now-1h&to=now",
        "/d/pirack-rack?var-datasource=prometheus",
        "http://master:8080/",
        "http://master:8080/rasps/02-1",
        "http://master:8080/rasps/3",
        "http://master:8080/stacks/2",
        "http://master:8080/stacks/02",
        "http://master:8080/runbooks/PiRackRaspDown",
    ],
)
def test_link_with_values_of_labels_has_no_problem(link: str) -> None:
    assert link_problems([link], LABELS) == []


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("/d/pirack-stack?var-stack=2", "no stack is named '2'"),
        ("/d/pirack-rasp?var-rasp=", "no rasp is named ''"),
        ("/d/pirack-rasp?var-rasp=No%20alert%20fires.", "no rasp is named 'No alert fires.'"),
        ("/d/pirack-rasp?var-rasp=${__field.labels.rasp}", "unknown variable"),
        ("http://master:8080/rasps/4", "no page of rasps is named '4'"),
        ("http://master:8080/rasps/", "no page of rasps is named ''"),
        ("http://master:8080/stacks/3", "no page of stacks is named '3'"),
        ("http://master:8080/runbooks/RaspDown", "no page of runbooks is named 'RaspDown'"),
        ("http://master:8080/runbooks/1", "no page of runbooks is named '1'"),
    ],
)
def test_link_with_another_value_is_reported(link: str, problem: str) -> None:
    assert link_problems([link], LABELS) == [f"link: {problem}: {link}"]
