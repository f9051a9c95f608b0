"""Alias values and history of one rasp."""

from controller.state.history import AliasReading, LabelledValue, group_aliases, group_series
from controller.state.prometheus import Sample, Series

TARGET_LABELS = {"job": "rasp", "rack": "pirack", "stack": "03", "slot": "2", "rasp": "03-2"}


def sample(name: str, value: float, **labels: str) -> Sample:
    return Sample({"__name__": name, **TARGET_LABELS, **labels}, value)


def test_group_aliases_returns_result_duration_and_values() -> None:
    readings = group_aliases(
        [
            sample("pirack_alias_success", 1, alias="power_condition"),
            sample("pirack_alias_success", 0, alias="cpu_load1"),
            sample("pirack_alias_duration_seconds", 0.002, alias="power_condition"),
            sample("pirack_power_condition", 1, since="now", condition="throttled"),
            sample("pirack_power_condition", 0, since="boot", condition="throttled"),
            sample("pirack_up", 0),
            Sample({**TARGET_LABELS, "quantity": "scraped"}, 1_795_552_960.5),
        ]
    )
    assert readings.scraped_at == 1_795_552_960.5
    assert readings.aliases == (
        AliasReading("cpu_load1", False, None, ()),
        AliasReading(
            "power_condition",
            True,
            0.002,
            (
                LabelledValue("condition=throttled, since=boot", 0),
                LabelledValue("condition=throttled, since=now", 1),
            ),
        ),
    )


def test_group_aliases_is_empty_without_samples() -> None:
    assert group_aliases([]).scraped_at is None
    assert group_aliases([]).aliases == ()


def test_group_series_drops_unknown_quantities_and_slots() -> None:
    points = ((0.0, 41.0), (30.0, 42.0))
    series = [
        Series({"quantity": "temperature", "slot": "2"}, points),
        Series({"quantity": "temperature", "slot": "x"}, points),
        Series({"quantity": "price", "slot": "2"}, points),
    ]
    assert group_series(series, ["temperature", "cpu"]) == {"temperature": {2: points}, "cpu": {}}
