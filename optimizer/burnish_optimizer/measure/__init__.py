"""The clock, the windows, the intervals. No figure without the thing itself: all through the runtime."""
