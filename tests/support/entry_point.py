"""Installs a package whose entry point names a module of flows, by writing the files that pip would write."""

from pathlib import Path


def install_with_entry_point(directory: Path, source: str) -> None:
    (directory / "our_flows.py").write_text(source)
    metadata = directory / "our_flows-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: our-flows\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[processing_queue.flows]\nours = our_flows\n")
