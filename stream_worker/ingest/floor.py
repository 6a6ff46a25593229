"""How far everything is done, of things that end in another order than they begin."""


class Floor:
    """Counts numbered things, from `start` on: `value` is the number of the first one that has not ended."""

    def __init__(self, start: int = 0) -> None:
        self.value = start
        self._above: set[int] = set()

    def ended(self, number: int) -> None:
        """That one has ended."""
        self._above.add(number)
        while self.value in self._above:
            self._above.remove(self.value)
            self.value += 1
