"""Supervises a job's trainer on a machine, and answers for it. Standard library only, Python 3.8 or newer, Linux.

It travels as one zip, agent.pyz (see ga_playbooks.bundle), which may be replaced while a process runs from it: a verb's
modules are all imported before its work begins, and import each other at their top only. So `__main__` alone decides
what a verb costs to start.

`launch` leaves an agent process behind. It starts the trainer in a session of its own, keeps the job's lock together
with it, samples power, numbers whatever happens into telemetry.jsonl and writes exit.json before it lets the lock go.
All other verbs read and write files, so that they work whether or not an agent lives. Times in records are epoch
seconds on the controller's clock; energy is in J, power in W, sizes in bytes.
"""
