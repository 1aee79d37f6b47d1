"""Bulk work in shards: what a shard is, how one is answered, and the engines that have many answered."""
