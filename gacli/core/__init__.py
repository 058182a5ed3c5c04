"""The pure core: values, accounting, planning and state transitions. No clock, network or database."""
