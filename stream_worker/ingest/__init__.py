"""Ways in for documents."""
