"""The demo shop and simulated shoppers. Loaded only where they are used."""
