"""Each waiting job of another system becomes exactly one record, or stays where it is for a reason that the command
names."""
