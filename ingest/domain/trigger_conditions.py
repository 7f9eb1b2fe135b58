"""Conditions of triggers, compiled: `when` after an import, `was` before (T2)."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from ingest.domain.catalog import Database, Resource, Segment, Trigger
from ingest.domain.condition_parser import ConditionScope, parse_condition
from ingest.domain.condition_truth import CompiledCondition, compile_condition
from ingest.domain.dynamic_segments import make_scope
from ingest.domain.local_days import Instant
from ingest.domain.profiles import Profile


class TriggerConditions(Struct, frozen=True, kw_only=True):
    """The conditions of a trigger; None where it has none."""

    when: CompiledCondition | None = None
    was: CompiledCondition | None = None

    def hold(self, before: Profile | None, after: Profile, now: Instant) -> bool:
        """Tell whether both are fulfilled; who was not there yet fulfilled nothing."""
        if self.was is not None and (
            before is None or not self.was.holds(before, before.segments, now)
        ):
            return False
        return self.when is None or self.when.holds(after, after.segments, now)


def compile_triggers(
    triggers: Iterable[Trigger],
    segments: Mapping[int, Segment],
    databases: Mapping[int, Database],
    resources: Mapping[int, Resource],
) -> dict[int, TriggerConditions]:
    """Return the conditions of those triggers that have any, by their ids."""
    compiled: dict[int, TriggerConditions] = {}
    for one in triggers:
        database = databases.get(one.database_id)
        if database is None or (one.when is None and one.was is None):
            continue
        scope = make_scope(segments.values(), database, resources)
        compiled[one.id] = TriggerConditions(
            when=_compile(one.when, scope, database.timezone, "when"),
            was=_compile(one.was, scope, database.timezone, "was"),
        )
    return compiled


def _compile(
    raw: Mapping[str, Any] | None, scope: ConditionScope, zone: str, path: str
) -> CompiledCondition | None:
    if raw is None:
        return None
    return compile_condition(parse_condition(raw, scope, path), zone)
