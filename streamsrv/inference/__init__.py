"""Where blocking model calls run: worker threads behind a scheduler."""
