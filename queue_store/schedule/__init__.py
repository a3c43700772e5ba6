"""The occurrences of beat's entries and of recurring flows."""
