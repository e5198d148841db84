"""Learning the scorecard from labelled visits, and cross-validation of what it is worth. Development only."""
