"""The things that are measured, one file for each."""
