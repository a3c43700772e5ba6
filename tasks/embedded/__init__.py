"""Real Postgres and Redis servers, from wheels or from PATH, for a first try and for the tests; never for
production."""
