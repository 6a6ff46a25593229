"""A batch of texts in, predictions out."""
