"""The servers, one program each: `python -m … MODEL NAME HTTP_PORT GRPC_PORT` where the library is.

Each is written as its library's documentation shows it, with the settings that cost it least.
"""
