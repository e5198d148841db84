"""What is the owner's alone: the sessions themselves."""
