"""How fast the service is, beside the limit and its peers: `python3 run.py bench`."""
