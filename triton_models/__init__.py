"""What Triton serves, and what builds it."""
