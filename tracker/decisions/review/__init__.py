"""Looking back at decisions, for the owner: the story of a session, and deciding stored visits anew."""
