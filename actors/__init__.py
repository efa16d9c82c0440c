"""Replicas, coordinators and client fleets: the pure protocols and the Ray actors that run them."""
