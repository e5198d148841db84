"""The demo shop and simulated shoppers: loaded only if DEMO_SHOP is on, and by `flask simulate`."""
