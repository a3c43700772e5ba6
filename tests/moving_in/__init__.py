"""Each waiting job of another system becomes exactly one record, or is left with a reason."""
