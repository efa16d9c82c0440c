"""The budget of a host: when its NIC and its cores are free again.

Everything takes its turn in the order in which it is asked for (FIFO), at the speed of the host:

- What leaves first takes CPU, then passes the NIC's egress, byte by byte.
- What arrives passes the NIC's ingress, then takes CPU. Bytes pass the sender's NIC and this one at
  the same time, as packets do (cut-through): the first of them came `leaving_s` before the last
  one, and an idle path costs a frame one transmission, not two.
- Work goes to the core that is free first.

Times accumulate exactly: who asks late takes the time since then, not what a timer has lost. The
actors of a host share its budget: its cells lie in memory that all of them see.
"""

from actors.core.config import Limits
from actors.model.cells import Cells

_EGRESS, _INGRESS, _FIRST_CORE = range(3)


def cells_needed(limits: Limits) -> int:
    """Return how many cells the budget of a host takes."""
    return _FIRST_CORE + limits.modelled_cores


class Budget:
    """What one host can do, and how far that is spoken for. All times are in seconds."""

    def __init__(self, limits: Limits, cells: Cells) -> None:
        self._cells = cells
        self._egress_s_per_byte = _s_per_byte(limits.egress_mbit_s)
        self._ingress_s_per_byte = _s_per_byte(limits.ingress_mbit_s)
        self._cores = range(_FIRST_CORE, cells_needed(limits))

    def work(self, now: float, cpu_s: float) -> float:
        """Take CPU; return when that is done."""
        with self._cells:
            return self._work(now, cpu_s)

    def put_out(self, now: float, cpu_s: float, size: int) -> float:
        """Take CPU, then have `size` bytes leave; return when the last of them has left."""
        with self._cells:
            ready = self._work(now, cpu_s)
            return self._pass(_EGRESS, ready, self.leaving_s(size))

    def take_in(self, starts_at: float, size: int) -> float:
        """Have `size` bytes arrive, the first not before `starts_at`; return when the last has.

        What they take of CPU is to be asked for then: a core is not kept for what is on its way.
        """
        with self._cells:
            return self._pass(_INGRESS, starts_at, size * self._ingress_s_per_byte)

    def leaving_s(self, size: int) -> float:
        """Return how long `size` bytes take to leave this host, or any other: they are alike."""
        return size * self._egress_s_per_byte

    def _pass(self, direction: int, start: float, passing_s: float) -> float:
        values = self._cells.values
        values[direction] = end = max(start, values[direction]) + passing_s
        return end

    def _work(self, start: float, cpu_s: float) -> float:
        if not cpu_s:
            return start
        values = self._cells.values
        core = min(self._cores, key=values.__getitem__)
        values[core] = end = max(start, values[core]) + cpu_s
        return end


def _s_per_byte(mbit_s: float) -> float:
    """Return how long a byte takes at a rate; 0 stands for no limit."""
    return 8e-6 / mbit_s if mbit_s else 0.0
