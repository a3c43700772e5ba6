"""Waiting jobs of other systems in the same database become records: Procrastinate, PgQueuer, a status table."""
