"""Downloads the corpora of `sources.toml`: archives of pinned commits, a reader for each format, cleaning, splitting.

Nothing here knows about models. `models.download` is the command.
"""
