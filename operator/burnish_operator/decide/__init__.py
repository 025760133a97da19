"""Pure decisions, one file a concern: a snapshot and a clock in, a plan and a status out. No I/O."""
