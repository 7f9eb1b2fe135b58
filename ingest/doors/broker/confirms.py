"""Confirms of an AMQP broker for one channel."""

from amqp.exceptions import MessageNacked


class Confirms:
    """Counts confirmations, which come singly or for many, in any order."""

    def __init__(self) -> None:
        self._single: set[int] = set()
        #: Every message up to this number, counted from one, is confirmed.
        self.count = 0

    def acknowledge(self, number: int, multiple: bool) -> None:
        """Note that message `number` is safe, with all before it if `multiple`."""
        if multiple:
            self.count = max(self.count, number)
        self._single.add(number)
        while self.count + 1 in self._single:
            self.count += 1
        self._single = {later for later in self._single if later > self.count}

    def refuse(self, number: int, multiple: bool) -> None:
        """Raise: the broker does not keep message `number`."""
        raise MessageNacked(f"The broker refused message {number}")
