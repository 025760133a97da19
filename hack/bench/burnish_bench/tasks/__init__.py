"""Models with data, right answers and a figure of what an answer is worth: one file a family."""
