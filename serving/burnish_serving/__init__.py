"""Engine -> answers: Open Inference Protocol v2 over HTTP, for one engine in one process.

`protocol` is pure (bytes in, arrays out, and back); `models` runs engines off the event loop;
`app` is the HTTP surface; `server` is the process: load, serve, drain.
"""
