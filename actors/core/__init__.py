"""Pure protocol code: messages and time come in, effects go out.

Nothing here knows of Ray, sockets, threads, clocks, files or global randomness.
"""
