"""Believable data: honest traffic, labelled attacks, snapshots, and the way of files into Supabase."""
