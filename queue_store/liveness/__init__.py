"""Finds out which processes are alive, and gives back the records of dead processes."""
