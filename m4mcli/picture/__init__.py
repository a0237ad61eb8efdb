"""Pictures of music: the piano roll as text, SVG and PNG."""
