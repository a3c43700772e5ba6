"""Notes whether the last batches of a flow in this process were quick and clean. A batch is quick if it took less
than `LONG_SECONDS`. A batch is clean if all its records were completed and none reported progress. If enough batches
in a row were quick and clean, the flow's runs continue with express slices."""

from dataclasses import dataclass

LONG_SECONDS = 0.1  # the records of a longer slice are claimed, so that they are not locked for long
ENOUGH_BATCHES = 3
MOST_BATCHES = 1_000


@dataclass(slots=True)
class QuickBatches:
    """`slice_size`: how many records the next slice may have, according to how long the last slices took. This number
    is 0 at first and after each call of `note_thrown_back`, until a slice changes it. `was_interrupted`: the run had to
    stop in the middle of the last slice, and no batch has been claimed since then. The next run begins with a claim,
    because no slice can take the records that the interrupted slice has not started."""

    in_a_row: int = 0
    wanted: int = ENOUGH_BATCHES
    slice_size: int = 0
    was_interrupted: bool = False
    is_trusted: bool = False  # the author asked for express: the first slice needs no quick batches
    is_suspicious: bool = False  # whether, at `looked_at`, a run of the flow had died recently
    looked_at: float = float("-inf")

    @property
    def are_enough(self) -> bool:
        return self.in_a_row >= self.wanted

    def trust(self) -> None:
        """Allow the first slice at once, even if no quick batches came before it. `note_thrown_back` takes this
        permission back: from then on, slices need quick and clean batches, as in any other flow."""
        if not self.is_trusted:
            self.is_trusted = True
            self.in_a_row = ENOUGH_BATCHES

    def note_batch(self, seconds: float, *, is_clean: bool) -> None:
        """Count a claimed batch."""
        self.in_a_row = self.in_a_row + 1 if is_clean and seconds < LONG_SECONDS else 0
        self.was_interrupted = False

    def note_slice(self, seconds: float, size: int) -> None:
        """Count a slice that ended normally. For other slices, call `note_thrown_back`."""
        self.wanted = max(ENOUGH_BATCHES, self.wanted - 1)
        if seconds < LONG_SECONDS / 5:
            self.slice_size = max(self.slice_size, 2 * size)
        elif seconds > LONG_SECONDS / 2:
            self.slice_size = size // 2

    def note_thrown_back(self) -> None:
        """Call this if a slice became long or was rolled back, or if one of its records was not completed. Also call
        this if the next records must be claimed in the normal way, because no slice of them was possible. After each
        call, the flow's runs need twice as many quick and clean batches as before, up to `MOST_BATCHES`."""
        self.in_a_row = 0
        self.slice_size = 0
        self.wanted = min(2 * self.wanted, MOST_BATCHES)
