"""Shopify Tracker: keeps what a shopper does, and says whether a popup would help now."""

__version__ = "2.0.0"
