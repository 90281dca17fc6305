"""The door for HTTP: what LangGraph's clients ask of a server, answered from a cluster or from graphs of this process.

`drumline.gateway` is the face of this room: it is what users import.
"""
