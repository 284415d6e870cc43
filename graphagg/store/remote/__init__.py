"""Indices on object stores: addresses, push, pull and a local cache."""

from graphagg.store.addresses import Address, address, hadoop_settings, spark_path

__all__ = ["Address", "address", "hadoop_settings", "spark_path"]
