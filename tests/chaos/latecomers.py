"""Who sends dated updates late: each person's in any order, by several connections.

Run as a process of its own, `python -m tests.chaos.latecomers`, until SIGTERM; persons
that are under way are finished. It ends with status 1 if it is answered what it must
not.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from tests.chaos.lines import make_command, submit
from tests.chaos.producer import Sender
from tests.chaos.shuffles import DATABASE, Shuffle

_CONNECTIONS = 3


def play(sender: Sender, name: str) -> Shuffle:
    """Send all updates of a person; they are accepted at the end."""
    planned = Shuffle(name=name)
    places = range(len(planned.updates()))
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        sent = pool.map(
            lambda first: _send(planned, places[first::_CONNECTIONS], sender.clone()),
            range(_CONNECTIONS),
        )
    return replace(planned, import_ids=[one for share in sent for one in share])


def _send(planned: Shuffle, places: Iterable[int], sender: Sender) -> list[str]:
    """Send some updates; return their import ids."""
    updates = planned.updates()
    answers = [
        submit(
            sender,
            f"{planned.name}-{place}",
            "/api/v1.1/profiles/import",
            {"db_id": DATABASE, **updates[place]},
        )
        for place in places
    ]
    sender.close()
    return [str(answer["import_id"]) for answer in answers]


main = make_command(
    play, named="shuffle", lines=2, pause_seconds=1.0, said="persons updated late"
)


if __name__ == "__main__":
    main()
