"""What a chaos run found, for a person and for a machine."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from tests.chaos.asks import Ask
from tests.chaos.check import Breach, Finding

#: As many findings are shown; a machine gets them all.
_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """One fault, and how long it was felt after its end."""

    fault: str
    #: Since the start of the load.
    at_seconds: float
    #: Imports that waited when it was injected.
    backlog: int
    #: Whether workers were held back until so many waited.
    held: bool = False
    #: Until an import was accepted.
    accepted_after_seconds: float
    #: Until every partition with waiting imports had applied some.
    applied_after_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that is to be told of a run."""

    seed: int
    seconds: float
    faults: Sequence[Injected]
    #: Acknowledged imports.
    accepted: int
    #: Asked for, with no answer that says whether they were accepted.
    in_doubt: int
    #: Of these, how many were applied all the same.
    in_doubt_applied: int
    events_delivered: int
    #: Imports of wrong files that were undone.
    undone: int = 0
    #: Pairs of profiles that were merged and parted.
    pairs: int = 0
    #: Imports that were held, and decided.
    decided: int = 0
    #: Dated updates of which something was kept out, for something newer was there.
    outdated: int = 0
    #: Persons of whom imports said that they are subscribed, and the statuses kept.
    subscribers: int = 0
    protected: int = 0
    #: Imports beyond a limit, and rows of other files under a key.
    refused: int = 0
    #: Until everything was settled, after the end of the load.
    settled_after_seconds: float
    findings: Sequence[Finding]

    @property
    def counts(self) -> Counter[Breach]:
        """How often each promise was broken."""
        return Counter(finding.breach for finding in self.findings)

    @property
    def is_clean(self) -> bool:
        """Whether every promise was kept."""
        return not self.findings

    def document(self) -> dict[str, Any]:
        """Return what a machine reads."""
        return {
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "accepted": self.accepted,
            "in_doubt": self.in_doubt,
            "in_doubt_applied": self.in_doubt_applied,
            "events_delivered": self.events_delivered,
            "refused": self.refused,
            "undone": self.undone,
            "pairs": self.pairs,
            "decided": self.decided,
            "outdated": self.outdated,
            "subscribers": self.subscribers,
            "protected": self.protected,
            "settled_after_seconds": round(self.settled_after_seconds, 1),
            "held_at_faults": sum(each.held for each in self.faults),
            **{breach.name.lower(): self.counts[breach] for breach in Breach},
            "smallest_backlog_at_fault": min(
                (each.backlog for each in self.faults), default=0
            ),
            "recovery_seconds": {
                name: {
                    "faults": len(times),
                    "median": round(median(times), 2),
                    "max": round(max(times), 2),
                }
                for name, times in sorted(self._recoveries().items())
            },
            "faults": [asdict(each) for each in self.faults],
            "findings": [asdict(each) for each in self.findings],
        }

    def to_json(self) -> str:
        """Write the document."""
        return json.dumps(self.document(), indent=2) + "\n"

    def lines(self) -> list[str]:
        """Return what a person reads."""
        document = self.document()
        lines = [
            f"{name:40} {each['faults']:3}x   applied again after "
            f"{each['median']:6.2f} s (median) {each['max']:6.2f} s (max)"
            for name, each in document["recovery_seconds"].items()
        ]
        lines += [
            f"faults injected {len(self.faults)}, the smallest backlog at one "
            f"{document['smallest_backlog_at_fault']}; workers were held back for it "
            f"at {document['held_at_faults']}",
            f"imports accepted {self.accepted}, in doubt {self.in_doubt} "
            f"(applied {self.in_doubt_applied}), "
            f"events delivered {self.events_delivered}, "
            f"refused beyond a limit {self.refused}, undone {self.undone}, "
            f"pairs merged {self.pairs}, held imports decided {self.decided}, "
            f"late updates partly kept out {self.outdated}, "
            f"statuses of {self.subscribers} persons kept {self.protected}",
            "everything accepted was settled "
            f"{self.settled_after_seconds:.1f} s after the end of the load"
            if not self.counts[Breach.UNSETTLED]
            else "not everything was settled in time",
            ", ".join(f"{breach} {self.counts[breach]}" for breach in Breach),
        ]
        shown = [f"{each.breach}: {each.text}" for each in self.findings]
        return lines + shown[:_SHOWN]

    def _recoveries(self) -> dict[str, list[float]]:
        recoveries: dict[str, list[float]] = defaultdict(list)
        for each in self.faults:
            recoveries[each.fault].append(each.applied_after_seconds)
        return recoveries


def count_doubts(asks: Sequence[Ask], applied: set[str | None]) -> tuple[int, int]:
    """Count the asks in doubt, and those of them that were applied."""
    doubtful = [ask.ref for ask in asks if ask.is_in_doubt]
    return len(doubtful), sum(ref in applied for ref in doubtful)
