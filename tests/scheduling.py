"""Which tests follow each other in one process: a plugin of pytest-xdist."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

#: Modules here share the group that `running` starts, so that it is started once.
_SHARING = "tests/acceptance/"
#: Those that start groups of their own.
_APART = frozenset(
    f"{_SHARING}test_{name}.py"
    for name in ("dashboards", "demo", "stalls", "supervisor", "tutorial")
)


def choose_unit(path: str) -> str:
    """Return the name of what one process runs in one go: a module, as a rule."""
    return _SHARING if path.startswith(_SHARING) and path not in _APART else path


class _Scheduling(LoadFileScheduling):
    """Hands out units in the order of their folders: the long ones come first."""

    def _split_scope(self, nodeid: str) -> str:
        return choose_unit(super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(
    config: pytest.Config, log: Producer
) -> LoadFileScheduling:
    """Let pytest-xdist schedule by units."""
    config.option.loadscopereorder = False
    return _Scheduling(config, log)
