"""Charts of one job, each in a module of its own; drawn with Matplotlib, which only they need."""
