"""Notes whether the recent batches of a flow in this process were quick and clean. If they were, its runs are
express."""

from dataclasses import dataclass

LONG_SECONDS = 0.1  # a slice that takes longer is claimed, because it must not hold its locks for long
ENOUGH_BATCHES = 3
MOST_BATCHES = 1_000


@dataclass(slots=True)
class QuickBatches:
    """`slice_size`: how many records the next slice may have, judged by the times of the last slices. 0 if no slice
    was quick yet."""

    in_a_row: int = 0
    wanted: int = ENOUGH_BATCHES
    slice_size: int = 0
    is_trusted: bool = False  # the author asked for express, so the first slice needed no quick batches
    is_suspicious: bool = False  # whether a run of the flow had died lately, at `looked_at`
    looked_at: float = float("-inf")

    @property
    def are_enough(self) -> bool:
        return self.in_a_row >= self.wanted

    def trust(self) -> None:
        """Allow the first slice without quick batches before it. After `note_thrown_back`, quick batches are needed
        as always."""
        if not self.is_trusted:
            self.is_trusted = True
            self.in_a_row = ENOUGH_BATCHES

    def note_batch(self, seconds: float, *, is_clean: bool) -> None:
        """Count a claimed batch. `is_clean`: all of its records were completed, and none reported progress."""
        self.in_a_row = self.in_a_row + 1 if is_clean and seconds < LONG_SECONDS else 0

    def note_slice(self, seconds: float, size: int) -> None:
        """Count a slice that ended without any of the events that `note_thrown_back` names."""
        self.wanted = max(ENOUGH_BATCHES, self.wanted - 1)
        if seconds < LONG_SECONDS / 5:
            self.slice_size = max(self.slice_size, 2 * size)
        elif seconds > LONG_SECONDS / 2:
            self.slice_size = size // 2

    def note_thrown_back(self) -> None:
        """Call this if a slice became long, was rolled back or had a failure, or if no slice could be held and the
        next records had to be claimed. If this happens to a flow again and again, its runs try slices less and less
        often."""
        self.in_a_row = 0
        self.slice_size = 0
        self.wanted = min(2 * self.wanted, MOST_BATCHES)
