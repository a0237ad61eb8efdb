"""What is written for a user: each task lays out a request, has a network write it, and places it in the piece."""
