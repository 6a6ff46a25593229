"""Postgres is the truth; Redis is a view of it."""
