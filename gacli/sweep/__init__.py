"""Many simulations at once: grids of parameters, starts and zones, on all cores, resumable."""
