"""From trusted units to cents: policies, value units, exact allocation, revenue windows and the ledger."""
