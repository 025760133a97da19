"""The messages of the gRPC surface: `.proto` files, and what `burnish_serving.grpc.generate` makes of them.

They live in a pool of their own. Clients of the same protocol (Triton's, KServe's) register the same
names in protobuf's default pool, which takes each name once a process; and nothing here asks for one
version of protobuf, as the code that protoc writes would.
"""
