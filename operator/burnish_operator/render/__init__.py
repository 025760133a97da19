"""Pure rendering, one file a kind: facts in, the object as JSON out. Nothing empty is rendered.

What the API server would drop (an empty list, an empty string) must not be rendered, because
`differs` compares what we want with what is stored.
"""
