"""Answers of a running group about itself, to its caller and to later ones."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from ingest.domain.errors import PenstockError
from ingest.local.children import probe_http
from ingest.local.state import StateInUse, holder, locked, read_record

_RECORD = "servers.json"
_ATTACH_SECONDS = 90.0
_PROGRESS_SECONDS = 5.0
_POLL_SECONDS = 0.1


class NotAnswering(PenstockError):
    """Another process holds the state directory, and its group does not answer."""


def answer_path(state: Path) -> Path:
    """Name the file that holds the answer while the group runs."""
    return state / _RECORD


def group_pids(pids: Mapping[str, int], supervisor: int) -> dict[str, object]:
    """Sort process ids by what the processes do; None for a server of somebody else."""
    intakes = [pid for name, pid in pids.items() if name.startswith("intake-")]
    return {
        "supervisor": supervisor,
        "postgres": pids.get("postgres"),
        "redis": pids.get("redis"),
        "intake": intakes,
        "workers": [pids[name] for name in ("drains",) if name in pids],
        "upkeep": pids.get("upkeep"),
        "beat": pids.get("beat"),
        "exporter": pids.get("exporter"),
        "console": pids.get("console"),
    }


def _read_answer(state: Path) -> dict[str, object] | None:
    """Return the answer of the group that holds the directory, once it is ready."""
    answer = read_record(answer_path(state))
    pids = answer.get("pids")
    supervisor = pids.get("supervisor") if isinstance(pids, dict) else None
    return answer if answer and supervisor == holder(state) else None


def _probe_answer(answer: Mapping[str, object] | None) -> str | None:
    if answer is None:
        return "still starting"
    port = urlsplit(str(answer.get("http"))).port or 0
    return probe_http(port, "/health/ready")


def _is_free(state: Path) -> bool:
    with suppress(StateInUse), locked(state):
        return True
    return False


def attach(
    state: Path, tell: Callable[[str], None], *, seconds: float = _ATTACH_SECONDS
) -> dict[str, object] | None:
    """Return the answer of the group that runs on `state`, once that is well.

    None when the group ends meanwhile. Raise NotAnswering after `seconds`.
    """
    started = told = time.monotonic()
    while True:
        answer = _read_answer(state)
        reason = _probe_answer(answer)
        if reason is None:
            return answer
        if _is_free(state):
            return None
        now = time.monotonic()
        if now - started > seconds:
            raise NotAnswering(
                f"process {holder(state)} runs on {state} and does not answer after "
                f"{seconds:g} s: {reason}"
            )
        if now - told > _PROGRESS_SECONDS:
            told = now
            tell(f"waiting for process {holder(state)} on {state}: {reason}")
        time.sleep(_POLL_SECONDS)
