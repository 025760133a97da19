"""Which request runs when, and with which others.

Pure, told the time: terms, service times, the waiting room, how large a batch is and how long it waits,
admission. `runner` and `execution` are the shell: the event loop, and the threads that run the engine.
"""
