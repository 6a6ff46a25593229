"""The HTTP way in: `POST /v1/documents` answers when Kafka has acknowledged every document that it accepted."""
