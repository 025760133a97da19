"""The gRPC surface: messages, failures, inference, streams, documents, health."""
