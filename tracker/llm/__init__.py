"""A language model: the port, its faults, the Groq client behind it, and the budget for its calls."""
