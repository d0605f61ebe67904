"""Messages: records, schemas, codec and topics."""
