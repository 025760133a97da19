"""What a backend can be given: recipes as data, and one file a backend that builds its candidates."""
