"""m4m: music for music, on the command line."""

__version__ = "0.1.0"
