"""POST /askai: the view that asks for a decision."""
