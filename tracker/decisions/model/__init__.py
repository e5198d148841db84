"""Asking a language model for a proposal: the prompt, the answer, and the budget in between."""
