"""The embedded stack: real PostgreSQL, Redis, Kafka and Triton as child processes, from Python packages alone."""
