"""Looking into pieces: where two differ, and what is odd about one."""
