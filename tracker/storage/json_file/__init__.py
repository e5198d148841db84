"""The store in one JSON file: always one valid JSON object, one session a line, an update one append.

docs/storage.md is its plan: format, invariants, locks and their order, what a crash leaves, and the order of reading.
"""

from tracker.storage.json_file.store import JsonFileStore

__all__ = ["JsonFileStore"]
