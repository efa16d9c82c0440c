"""What a transport counts of frames and bytes."""

from dataclasses import dataclass


@dataclass(slots=True)
class Traffic:
    """Frames and their bytes, framing included, in both directions."""

    frames_in: int = 0
    frames_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def counts(self, prefix: str) -> dict[str, float]:
        """Return the counts under names that begin with `prefix`."""
        return {
            f"{prefix}_frames_in": self.frames_in,
            f"{prefix}_frames_out": self.frames_out,
            f"{prefix}_bytes_in": self.bytes_in,
            f"{prefix}_bytes_out": self.bytes_out,
        }
