"""The same nodes in virtual time, in one process, determined by a seed."""
