"""Which logic? Gates as values, counted in packed words and searched exactly."""
