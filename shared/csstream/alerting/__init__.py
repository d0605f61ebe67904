"""The rules of looks and alerts: when curves are examined, and what is said about them."""
