"""What the page of an install shows of its result, for stacks with and without a shared outlet."""

from controller.pages.install_result import Place, PlaceState, found_result
from dhcp_installer import SlotEvidence
from dhcp_installer.install.progress import ProgressReport, Stage
from tests.helpers.plugs import plug_rack

RACK = plug_rack(network_prefix="127.23")  # 01-1 and 01-2 have outlets, stack 2 has one
A, B, C = "b8:27:eb:00:00:0a", "b8:27:eb:00:00:0b", "b8:27:eb:00:00:0c"
FIRST, SECOND = RACK.stacks[0].slots


def test_rasps_are_in_the_order_of_the_slots_that_were_found() -> None:
    report = ProgressReport(
        0.0,
        Stage.FINISH,
        found={1: (A, B)},
        slots={A: 2, B: 1},
        slot_evidence={A: SlotEvidence.OUTLET, B: SlotEvidence.ROW_AND_COLUMN},
    )
    result = found_result(RACK, report, is_final=True)
    assert result.stacks[0].places == [
        Place(PlaceState.FOUND, FIRST, B), Place(PlaceState.FOUND, SECOND, A),
    ]  # fmt: skip
    assert [(slot.name, slot.mac, slot.evidence) for slot in result.slots] == [
        ("01-1", B, "its row and its column"),
        ("01-2", A, "its outlet alone"),
    ]
    assert not result.stacks_without_slots


def test_stack_with_one_outlet_has_rasps_without_slots() -> None:
    report = ProgressReport(0.0, Stage.FINISH, found={2: (C,)}, missing={2: 1})
    result = found_result(RACK, report, is_final=True)
    assert result.stacks[1].places == [Place(PlaceState.FOUND, mac=C), Place(PlaceState.MISSING)]
    assert result.stacks_without_slots == [RACK.stacks[1]]
    assert result.incomplete_stacks == {"02": 1}


def test_missing_rasp_is_shown_in_its_slot_with_its_outlet() -> None:
    report = ProgressReport(
        0.0, Stage.DISCOVER, found={1: (B,)}, slots={B: 2}, missing={1: 1}, missing_slots=("01-1",)
    )
    for is_final, state in ((False, PlaceState.PENDING), (True, PlaceState.MISSING)):
        result = found_result(RACK, report, is_final=is_final)
        assert result.stacks[0].places == [
            Place(state, FIRST), Place(PlaceState.FOUND, SECOND, B)
        ]  # fmt: skip
    assert [outlet.label for outlet in result.missing_slots] == ["plugs:a"]
    assert not result.incomplete_stacks


def test_slot_with_several_rasps_is_unclear() -> None:
    report = ProgressReport(
        0.0,
        Stage.FINISH,
        missing={1: 2},
        missing_slots=("01-1", "01-2"),
        conflicts={A: ("01-2",), B: ("01-2",)},
    )
    result = found_result(RACK, report, is_final=True)
    states = [place.state for place in result.stacks[0].places]
    assert states == [PlaceState.MISSING, PlaceState.UNCLEAR]
