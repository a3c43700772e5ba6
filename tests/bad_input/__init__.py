"""The corpus of hostile and broken input: each case gets a clear refusal, nothing is lost, and nothing loops."""
