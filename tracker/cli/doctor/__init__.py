"""flask doctor: looks at everything that the service needs, and says of each finding what to do.

command.py     the command, and how findings are printed
finding.py     one finding
settings.py    the settings: where each comes from, wrong ones, unknown names, and who can reach the service
sessions.py    the session file, its disk and its lock
database.py    the database, in place of the file
machine.py     clock, open files, memory and workers
serving.py     whether the service runs here, and what it says of itself
shop.py        the file of messages, and the model
origin.py      what the browser of a page would be told
"""
