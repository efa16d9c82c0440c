"""The data plane: how messages travel between actors."""
