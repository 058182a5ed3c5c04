"""Replays a policy on the history of grids: the policies and the accounting of a live job, modelled machines. Pure."""
