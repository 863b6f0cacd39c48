"""Shared ground without domain words: settings, errors, money maths, time windows, tables, engines, crypto."""
