"""The flows that come with the project. They are examples that really run."""
