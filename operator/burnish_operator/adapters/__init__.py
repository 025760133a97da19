"""The real things behind `ports`: the only modules that open connections."""
