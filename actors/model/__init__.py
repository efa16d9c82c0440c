"""Hosts whose network and CPU have limits: the same on Ray and in virtual time."""
