"""The wire contracts: Avro schemas by record, major and minor version, with samples."""
