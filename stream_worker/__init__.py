"""The online service: documents in from Kafka, scores out to Postgres, Redis and Kafka."""
