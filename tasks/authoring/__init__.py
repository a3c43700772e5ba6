"""What the author of a flow writes, and how it is checked and registered."""
