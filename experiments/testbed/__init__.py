"""Several hosts on one machine, so that what needs a cluster can be tried without one."""
