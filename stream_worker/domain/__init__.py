"""What happens to a document, as pure functions: no I/O, no clock, no framework."""
