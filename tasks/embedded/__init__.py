"""Real Postgres and Redis servers from wheels, for a first try and for the tests; never for production."""
