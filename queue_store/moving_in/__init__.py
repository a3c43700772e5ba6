"""Turns waiting jobs of other systems in the same database into records: Procrastinate, PgQueuer, or a status
table."""
