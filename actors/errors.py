"""What can go wrong with the actors of a run as a whole."""


class ClusterError(Exception):
    """The cluster could not be started, or did not survive; says in one line why."""
