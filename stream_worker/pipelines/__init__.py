"""The stages in order, as plain async code."""
