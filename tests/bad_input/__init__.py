"""The corpus of hostile and broken input: each case is refused clearly, nothing is lost, and nothing loops."""
