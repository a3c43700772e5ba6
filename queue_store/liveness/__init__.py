"""Who is alive, and giving back what the dead left."""
