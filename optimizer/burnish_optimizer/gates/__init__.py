"""Who judges: pure. A gate sees what was found and what is expected, and a missing figure fails it."""
