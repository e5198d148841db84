"""Everything that is promised, held by a test: unit, contract, integration and, later, browser."""
