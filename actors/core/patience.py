"""Patience: what was asked and is not answered is not asked again at once: it may be on its way.

Whoever asks looks once a delay whether to ask again: after one look, then after two more, four, and
so on. What brings it on makes it begin again. So a lost question costs one delay, and answers that
take long, behind others of their kind, are asked for a few times, not without end.
"""

PATIENCE_MAX = 8
"""Looks between two questions at most."""

ANSWER_BYTES = 1 << 18
"""What one answer brings, about: 21 ms at 100 Mbit/s, well within a delay."""


class Patience:
    """Says at which look to ask."""

    __slots__ = ("_looks_left", "asked")

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begin again: there was progress, or there is something new to ask."""
        self.asked = 0
        """How often was asked since then, in vain so far."""
        self._looks_left = 1

    def look(self) -> bool:
        """Note that a delay has passed; say whether to ask."""
        self._looks_left -= 1
        return self._looks_left <= 0

    def ask(self, *, between_looks: bool = False) -> None:
        """Note that a question goes out: at a look, or when the next one comes too early."""
        self._looks_left = min(2**self.asked, PATIENCE_MAX) + between_looks
        self.asked += 1
