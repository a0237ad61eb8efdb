"""A command on every file of a corpus, in processes of this machine or of a cluster."""
