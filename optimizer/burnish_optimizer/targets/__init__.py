"""What this machine is, and what that implies: facts as data."""
