"""The terminal: draws what `core` says, asks `core` to act."""
