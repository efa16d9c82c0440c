"""Services to replicate: one file each."""
