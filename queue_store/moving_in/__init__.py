"""Turns waiting jobs of Procrastinate, of PgQueuer or of a status table in the same database into records."""
