"""OCI registries: references, credentials, transport, images and file artifacts.

Source: OCI Distribution Specification 1.1, OCI Image Specification 1.1.
"""
