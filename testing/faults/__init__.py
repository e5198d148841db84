"""Processes that are killed, disks that fail, links that break."""
