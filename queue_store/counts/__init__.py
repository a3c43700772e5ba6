"""Rollups and histograms, which count records without scanning history."""
