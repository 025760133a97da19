"""A model becomes an engine: a library that needs no cluster.

    source ─ ingest ─> model ─ passes, each gated ─> exact model
           ─ recipes (rewrite, precision, backends) ─> candidates ─ gates ─ measure ─ search ─> engine

`burnish_optimizer.optimize.optimize` is the whole of it. What decides is pure (`gates`, `search`,
`measure.statistics`); what a candidate may break runs in a process of its own (`worker`), and every
figure is taken through `burnish_runtime`, the code that serves.
"""
