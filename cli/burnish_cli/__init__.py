"""burnish and kubectl burnish: thin, no logic of its own."""
