"""Everything at once: gateway, feeds, replay and backfill, corrections and retractions, and seeded faults."""
