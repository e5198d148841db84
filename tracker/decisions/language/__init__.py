"""What a text may hold that a shopper reads: plain characters, and, from a model, known words only."""
