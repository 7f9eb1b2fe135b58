"""Garbage collection of a busy process."""

import gc

#: Objects made since the last look; some hundred imports leave as many.
_OBJECTS = 50_000


def collect_rarely() -> None:
    """Look for garbage seldom from now on, and never among what exists already.

    An import makes many objects and hardly a cycle: looking as often as Python does
    by itself takes a worker 7 % of its time, and one that feeds it a file 30 %.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS, 20, 20)
