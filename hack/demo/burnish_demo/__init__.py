"""`make demo`: the whole road, from a bare machine to a table, with a real model on a real cluster.

Layers, lowest first:

    place           which cluster and registry (embedded, or the user's own), and how to reach inside
    models, pages, photos, samples     a real model and real data, made from what packages ship
    publish         both into the registry as OCI artifacts
    watch, explain  follow one OptimizedModel; say what went wrong
    ask, prometheus requests through the Service; figures read back
    table, report   what a person sees at the end
    drive           the order of it all
"""
