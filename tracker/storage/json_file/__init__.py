"""The store in one JSON file: always one valid JSON object, one session a line, an update one append.

text.py         what the file holds, as text: lines, scanning, reading old and broken files
lock.py         one writer at a time, over threads and processes
generation.py   one state of the file (one inode) as this process knows it: index, reads, appends, flushes
recovery.py     what is set aside, cut, converted and saved when the file is not as it should be
compaction.py   writing the file anew without its dead lines
store.py        JsonFileStore, the SessionStore made of these
"""

from tracker.storage.json_file.store import JsonFileStore

__all__ = ["JsonFileStore"]
