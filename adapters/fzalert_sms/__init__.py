"""Text messages: the carriers' own protocols, vendors' gateways, and handing over to a person.

Each protocol has a codec and a session that do no I/O, a thin transport, and a simulator.
"""
