"""API models of the energy of a run."""

from typing import Self

from pydantic import Field

from controller.experiments.energy import RunEnergy
from controller.web.models import ApiModel

_JOULES = "Measured energy in joules, or null if it was not measured."


class OutletEnergyResponse(ApiModel):
    """Energy of an outlet that powers nodes of a run."""

    stack: int
    rasp: str | None = Field(description="Rasp of the outlet, or null for a whole stack.")
    joules: float | None = Field(description=_JOULES)


class StackEnergyResponse(ApiModel):
    """Energy of the outlets of a stack that power nodes of a run."""

    stack: int
    joules: float | None = Field(description=_JOULES)
    is_complete: bool = Field(description="Whether all these outlets were measured.")


class RunEnergyResponse(ApiModel):
    """Energy of a run from its preparation to its end."""

    joules: float | None = Field(description=_JOULES)
    is_complete: bool = Field(description="Whether all outlets were measured.")
    stacks: list[StackEnergyResponse]
    outlets: list[OutletEnergyResponse]

    @classmethod
    def of(cls, energy: RunEnergy) -> Self:
        """Return the model of an energy."""
        total = energy.total
        return cls(
            joules=total.joules,
            is_complete=total.is_complete,
            stacks=[
                StackEnergyResponse(stack=number, joules=each.joules, is_complete=each.is_complete)
                for number, each in energy.stacks.items()
            ],
            outlets=[
                OutletEnergyResponse.model_validate(each, from_attributes=True)
                for each in energy.outlets
            ],
        )
