"""The sample flow that comes with the project. It is a working example."""
