"""Measurements that can be repeated: `./run bench`."""
