"""`m4m dataset`: corpora packed for training, filtered, counted, and made by rule."""

EXAMPLES = (
    "m4m dataset build songs --out packs/songs",
    "m4m dataset stats packs/songs --plot songs.svg",
)


def dataset() -> None:
    """Pack corpora for training, make smaller packs of them, count what is in them, or make one by rule."""
