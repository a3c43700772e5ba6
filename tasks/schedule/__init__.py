"""The schedule: any beat notices what is due, Postgres keeps it, one worker does it."""
