"""RSS and Atom feeds: what they publish becomes documents.

config      the feeds file
fetching    a URL → bytes, within limits and from public addresses only
reading     bytes → entries, in a process of their own
publishing  entries → messages: what is new, what has changed
service     which feed is due; state in Postgres, so that a restart repeats nothing
"""
