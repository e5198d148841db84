"""The rehearsal: example visits played through the real engine, at the storefront script's own moments of asking."""
