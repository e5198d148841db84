"""Visits: the latest ones, and each as a story."""
