"""A real Supabase on one machine: embedded Postgres and Supabase Lite, started and stopped as one."""
