"""`finsentry verify`: proves on a running deployment that nothing was lost and nothing counted twice.

It shares no code with what it checks: it knows only the tables' columns (SQL) and Kafka's offsets and bytes. What each
check promises is the first line of its docstring; `verification.CHECKS` lists them all.
"""
