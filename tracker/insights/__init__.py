"""Does it sell: purchases, and what is counted of visits. Plain Python, without Flask and without a database."""
