"""The embedded stack: real servers as child processes."""
