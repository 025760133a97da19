"""What to try, and what wins: pure."""
