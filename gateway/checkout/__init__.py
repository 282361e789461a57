"""The payer's page, framed by the SDK."""
