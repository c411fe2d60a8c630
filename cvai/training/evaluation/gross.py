"""Whether a reader is warned of the patients whose numbers are far off, and how often without a cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cvai.training.evaluation.cases import Case, Quantity


@dataclass(frozen=True, slots=True)
class Flags:
    """Patients of an evaluation by the error of one quantity and by their findings.

    Args:
        quantity: which one.
        bound: an error above it is gross.
        cases: those in whom findings were looked for.
    """

    quantity: str
    bound: float
    cases: tuple[Case, ...]

    @property
    def gross(self) -> tuple[Case, ...]:
        """Patients with a gross error."""
        return tuple(case for case in self.cases if self._is_gross(case))

    @property
    def missed(self) -> tuple[Case, ...]:
        """Gross errors that nothing warns of."""
        return tuple(case for case in self.gross if not case.findings)

    @property
    def sound(self) -> tuple[Case, ...]:
        """Patients in whom it was measured and is not grossly wrong."""
        return tuple(
            case for case in self.cases if case.error(self.quantity) is not None and not self._is_gross(case)
        )

    @property
    def false_alarms(self) -> tuple[Case, ...]:
        """Those of the sound whose numbers are put in doubt all the same."""
        return tuple(case for case in self.sound if case.findings)

    def record(self) -> dict[str, Any]:
        """As in evaluation.json."""
        return {
            "quantity": self.quantity,
            "gross_error_points": self.bound,
            "gross": len(self.gross),
            "gross_flagged": len(self.gross) - len(self.missed),
            "missed": [case.patient for case in self.missed],
            "sound": len(self.sound),
            "false_alarms": len(self.false_alarms),
            "patients": [
                {
                    "patient": case.patient,
                    f"{self.quantity}_error": case.error(self.quantity),
                    "findings": case.findings,
                    "flagged": bool(case.findings),
                }
                for case in self.cases
            ],
        }

    def _is_gross(self, case: Case) -> bool:
        error = case.error(self.quantity)
        return error is not None and abs(error) > self.bound


def flags_of(cases: Sequence[Case], quantities: Mapping[str, Quantity]) -> Flags | None:
    """Of the quantity that has gross errors; None where none has, or findings were not looked for."""
    looked_for = tuple(sorted((c for c in cases if c.findings is not None), key=lambda case: case.patient))
    for name, quantity in quantities.items():
        if quantity.gross is not None and looked_for:
            return Flags(name, quantity.gross, looked_for)
    return None
