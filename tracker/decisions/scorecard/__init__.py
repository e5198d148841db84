"""The scorecard, learned from labelled visits: whether a popup would help now, and what it should be about."""
