"""The sample flow that comes with the project. It is an example that really runs."""
