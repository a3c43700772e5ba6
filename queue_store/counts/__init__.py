"""Rollups and histograms: counting without scanning history."""
