"""Taking in what browsers report: POST /ingest and /events."""
