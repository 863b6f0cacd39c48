"""Who is one viewer: how far an account is trusted, and which accounts act as one."""
