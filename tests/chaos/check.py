"""Does what producers were told agree with what is in Postgres? Without I/O.

An import that is applied sets `custom_field` of its profile to its own name, so that
each receipt tells which import had been applied just before: the receipts of a profile
must make one chain, from nothing to what the profile says now. A lost update breaks it,
a second application forks it, and its order is the order applied.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.chaos.asks import Ask, Kind
from tests.chaos.cases import (
    find_doubled_decisions,
    find_lost_decisions,
    find_wrong_decisions,
)
from tests.chaos.consents import (
    find_doubled_consents,
    find_lost_consents,
    find_unlowered,
    find_wrong_consents,
)
from tests.chaos.ledger import Event, Ledger, Receipt
from tests.chaos.pairs import find_doubled_points, find_lost_points, find_unmerged
from tests.chaos.played import NOTHING, Played
from tests.chaos.rounds import find_doubled, find_lost, find_wrong
from tests.chaos.shuffles import (
    find_doubled_updates,
    find_lost_updates,
    find_outdated,
)
from tests.chaos.sizes import measure_large
from tests.chaos.workload import email


class Breach(StrEnum):
    """Which promise is broken."""

    LOST = "lost"
    DOUBLED = "doubled"
    DISORDERED = "out of order"
    #: Accepted, and neither applied nor a dead letter within the bound.
    UNSETTLED = "not settled"
    #: Anything else that is not as the producers asked.
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken promise."""

    breach: Breach
    text: str


def find_breaches(
    asks: Sequence[Ask], ledger: Ledger, played: Played = NOTHING
) -> list[Finding]:
    """Return every broken promise; empty if all were kept."""
    chains = {
        profile_id: _chain(receipts)
        for profile_id, receipts in _by_profile(ledger).items()
    }
    return [
        *_check_receipts(asks, ledger),
        *_check_refs(asks, ledger),
        *_check_chains(ledger, chains),
        *_check_order(asks, chains),
        *_check_values(asks, ledger, chains),
        *_check_persons(asks, ledger),
        *_check_events(asks, ledger),
        *_check_event_order(ledger),
        *_check_played(played, ledger),
        *(
            Finding(Breach.WRONG, f"{count} {name}")
            for name, count in ledger.orphans.items()
            if count
        ),
    ]


def _check_receipts(asks: Iterable[Ask], ledger: Ledger) -> Iterator[Finding]:
    """Every accepted import has one receipt, which says what it must."""
    receipts: dict[str, list[Receipt]] = defaultdict(list)
    for receipt in ledger.receipts:
        receipts[receipt.import_id].append(receipt)
    for ask in asks:
        if ask.import_id is None:
            continue
        found = receipts[ask.import_id]
        if not found:
            is_waiting = ask.import_id in ledger.waiting
            breach = Breach.UNSETTLED if is_waiting else Breach.LOST
            yield Finding(breach, f"{ask.ref} ({ask.import_id}) has no receipt")
        elif len(found) > 1:
            yield Finding(Breach.DOUBLED, f"{ask.ref} has {len(found)} receipts")
        elif (found[0].state == "rejected") != ask.kind.is_rejected:
            yield Finding(
                Breach.WRONG, f"{ask.ref} ({ask.kind}) ended as {found[0].state}"
            )
        elif not ask.kind.is_rejected and found[0].ref != ask.ref:
            yield Finding(Breach.WRONG, f"{ask.ref} applied {found[0].ref}")


def _check_refs(asks: Iterable[Ask], ledger: Ledger) -> Iterator[Finding]:
    """Nothing is applied twice, by whatever id, and nothing that nobody asked for."""
    asks = list(asks)
    accepted = {ask.import_id for ask in asks if ask.import_id is not None}
    in_doubt = {ask.ref for ask in asks if ask.is_in_doubt}
    refused_refs = {ask.ref for ask in asks if ask.kind is Kind.BEYOND}
    applied = Counter(receipt.ref for receipt in ledger.receipts if receipt.ref)
    for ref, times in applied.items():
        if times > 1:
            yield Finding(Breach.DOUBLED, f"{ref} was applied {times} times")
        if ref in refused_refs:
            yield Finding(Breach.WRONG, f"{ref} was refused, and applied")
    strangers = [each for each in ledger.receipts if each.import_id not in accepted]
    for receipt in strangers:
        if receipt.state != "rejected" and receipt.ref not in in_doubt:
            yield Finding(Breach.WRONG, f"{receipt.ref} was never asked for")
    refused = sum(receipt.state == "rejected" for receipt in strangers)
    if refused > sum(ask.kind.is_rejected for ask in asks if ask.is_in_doubt):
        yield Finding(Breach.DOUBLED, f"{refused} rejections that nobody asked for")


def _by_profile(ledger: Ledger) -> Mapping[str, list[Receipt]]:
    receipts: dict[str, list[Receipt]] = defaultdict(list)
    for receipt in ledger.receipts:
        if receipt.profile_id is not None and receipt.ref is not None:
            receipts[receipt.profile_id].append(receipt)
    return receipts


def _chain(receipts: Iterable[Receipt]) -> list[Receipt]:
    """Put the receipts of one profile in the order applied, as far as it is one."""
    following = {receipt.follows: receipt for receipt in receipts}
    chain: list[Receipt] = []
    ref: str | None = None
    while (receipt := following.pop(ref, None)) is not None:
        chain.append(receipt)
        ref = receipt.ref
    return chain


def _check_chains(
    ledger: Ledger, chains: Mapping[str, Sequence[Receipt]]
) -> Iterator[Finding]:
    """Every receipt of a profile is a link, and the last says what it is now."""
    for profile_id, receipts in _by_profile(ledger).items():
        chain = chains[profile_id]
        if len(chain) != len(receipts):
            text = f"{len(receipts) - len(chain)} receipts of {profile_id} do not link"
            yield Finding(Breach.DISORDERED, text)
            continue
        profile = ledger.profiles.get(profile_id)
        now = profile and profile.fields.get("custom_field")
        if now != chain[-1].ref:
            text = f"{profile_id} is at {now}, its last receipt at {chain[-1].ref}"
            yield Finding(Breach.LOST, text)


def _check_order(
    asks: Iterable[Ask], chains: Mapping[str, Sequence[Receipt]]
) -> Iterator[Finding]:
    """What one line sent by one key was applied in the order of its answers."""
    place = {
        receipt.ref: place
        for chain in chains.values()
        for place, receipt in enumerate(chain)
    }
    last: dict[tuple[str, str], tuple[int, str]] = {}
    for ask in asks:
        if ask.import_id is None or ask.ref not in place:
            continue
        lane = ask.line, ask.key
        before, ref = last.get(lane, (-1, ""))
        if place[ask.ref] < before:
            text = f"{ask.ref} was applied before {ref}, accepted earlier ({ask.key})"
            yield Finding(Breach.DISORDERED, text)
        last[lane] = max((before, ref), (place[ask.ref], ask.ref))


def _check_values(
    asks: Iterable[Ask], ledger: Ledger, chains: Mapping[str, Sequence[Receipt]]
) -> Iterator[Finding]:
    """Sums are exact, and a sequence stands at the last number that was applied."""
    by_ref = {ask.ref: ask for ask in asks}
    for profile_id, chain in chains.items():
        profile = ledger.profiles.get(profile_id)
        if profile is None:
            yield Finding(Breach.LOST, f"{profile_id} does not exist")
            continue
        applied = [by_ref[each.ref] for each in chain if each.ref in by_ref]
        total = sum(ask.value for ask in applied if ask.kind.is_increment)
        if profile.fields.get("points", 0) != total:
            text = f"{profile_id} has {profile.fields.get('points')}, not {total}"
            breach = Breach.LOST
            if profile.fields.get("points", 0) > total:
                breach = Breach.DOUBLED
            yield Finding(breach, text)
        numbers = [ask.value for ask in applied if ask.kind is Kind.SEQUENCE]
        if numbers and profile.fields.get("checks") != numbers[-1]:
            text = f"{profile_id} is at {profile.fields.get('checks')} of {numbers[-1]}"
            yield Finding(Breach.DISORDERED, text)
        sizes = [(ask.ref, ask.value) for ask in applied if ask.kind is Kind.LARGE]
        if sizes and measure_large(profile.fields.get("orders")) != sizes[-1]:
            ref, size = measure_large(profile.fields.get("orders"))
            text = f"{profile_id} holds {size} letters of {ref}, not {sizes[-1]}"
            yield Finding(Breach.LOST, text)


def _check_persons(asks: Iterable[Ask], ledger: Ledger) -> Iterator[Finding]:
    """One person is one profile, with the person's email."""
    profile_of = {each.ref: each.profile_id for each in ledger.receipts if each.ref}
    profiles: dict[str, set[str]] = defaultdict(set)
    for ask in asks:
        profile_id = profile_of.get(ask.ref)
        if profile_id is not None:
            profiles[ask.person].add(profile_id)
    for person, ids in profiles.items():
        emails = {ledger.profiles[id_].email for id_ in ids if id_ in ledger.profiles}
        if len(ids) > 1 or emails != {email(person)}:
            text = f"{person} is {len(ids)} profiles, with {emails}"
            yield Finding(Breach.WRONG, text)
    if len(ledger.profiles) != len(profiles):
        text = f"{len(ledger.profiles)} profiles for {len(profiles)} persons"
        yield Finding(Breach.WRONG, text)


def _check_events(asks: Iterable[Ask], ledger: Ledger) -> Iterator[Finding]:
    """Events are those of the receipts, each delivered under one id with one body."""
    starts = {ask.ref for ask in asks if ask.kind.is_start}
    expected = Counter(
        (receipt.import_id, kind)
        for receipt in ledger.receipts
        for kind, fires in (
            ("profile_created", receipt.state == "created"),
            ("api_call", receipt.ref in starts),
        )
        if fires
    )
    written = Counter((event.import_id, event.kind) for event in ledger.events)
    for name in expected - written:
        yield Finding(Breach.LOST, f"no event {name}")
    for name in written - expected:
        yield Finding(Breach.DOUBLED, f"an event too many: {name}")
    for event in ledger.events:
        yield from _check_delivery(event, ledger)
    hung = [event.attempts for event in ledger.events if event.hangs]
    if hung and not any(hung):
        text = "nothing was tried at the endpoint whose name is not resolved"
        yield Finding(Breach.UNSETTLED, text)
    unknown = ledger.received.keys() - {event.event_id for event in ledger.events}
    if unknown:
        yield Finding(Breach.WRONG, f"{len(unknown)} deliveries of no event")


def _check_played(played: Played, ledger: Ledger) -> Iterator[Finding]:
    """What was played apart came out as it must, whatever broke meanwhile."""
    found = (
        {
            # What was undone is as if it had never come, and was undone once.
            Breach.LOST: find_lost(played.rounds, ledger.left),
            Breach.DOUBLED: find_doubled(played.rounds, ledger.left),
            Breach.WRONG: find_wrong(played.rounds, ledger.left),
        },
        {
            # Who was merged and parted is one in the end, and has all of both.
            Breach.LOST: find_lost_points(played.pairs, ledger.pairs),
            Breach.DOUBLED: find_doubled_points(played.pairs, ledger.pairs),
            Breach.WRONG: find_unmerged(played.pairs, ledger.pairs),
        },
        {
            # What was held is decided once, and overwrites nothing later.
            Breach.LOST: find_lost_decisions(played.cases, ledger.decided),
            Breach.DOUBLED: find_doubled_decisions(played.cases, ledger.decided),
            Breach.WRONG: find_wrong_decisions(played.cases, ledger.decided),
        },
        {
            # What came late leaves the newest.
            Breach.LOST: find_lost_updates(played.shuffles, ledger.dated),
            Breach.DOUBLED: find_doubled_updates(played.shuffles, ledger.dated),
            Breach.WRONG: find_outdated(played.shuffles, ledger.dated),
        },
        {
            # Who opted out is not subscribed again but by a basis.
            Breach.LOST: find_lost_consents(played.subscribers, ledger.consents),
            Breach.DOUBLED: find_doubled_consents(played.subscribers, ledger.consents),
            Breach.UNSETTLED: find_unlowered(ledger.consents),
            Breach.WRONG: find_wrong_consents(played.subscribers, ledger.consents),
        },
    )
    for each in found:
        for breach, texts in each.items():
            yield from (Finding(breach, text) for text in texts)


def _check_event_order(ledger: Ledger) -> Iterator[Finding]:
    """The receiver was first told of the events of each profile in their order."""
    events = {event.event_id: event for event in ledger.events}
    last: dict[str, int] = {}
    for event_id in ledger.received:
        event = events.get(event_id)
        if event is None:
            continue
        if event.profile_sequence < last.get(event.profile_id, 0):
            text = f"event {event_id} of {event.profile_id} came after a later one"
            yield Finding(Breach.DISORDERED, text)
        last[event.profile_id] = event.profile_sequence


def _check_delivery(event: Event, ledger: Ledger) -> Iterator[Finding]:
    """Everything is delivered but what hangs, which waits by its schedule."""
    bodies = ledger.received.get(event.event_id)
    name = f"event {event.event_id}"
    if event.hangs:
        if bodies or event.delivered:
            yield Finding(Breach.WRONG, f"{name} was delivered where nobody is")
    elif event.pending:
        yield Finding(Breach.UNSETTLED, f"{name} is still to be delivered")
    elif not event.delivered or not bodies:
        yield Finding(Breach.LOST, f"{name} was not delivered")
    elif len(bodies) > 1:
        yield Finding(Breach.WRONG, f"{name} was delivered with several bodies")
