"""Durable jobs: what feeds announce is fetched, analysed and stored exactly to its end."""
