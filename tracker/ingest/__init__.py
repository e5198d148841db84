"""Taking in the reports of browsers: POST /ingest and /events."""
