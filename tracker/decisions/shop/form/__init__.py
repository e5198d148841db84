"""The form of the owner's file: its syntax, its tables and keys, and what their values may be."""
