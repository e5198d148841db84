"""A language model: the port, the Groq client behind it, and the budget for its calls."""
