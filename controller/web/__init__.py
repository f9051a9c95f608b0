"""HTTP API of the rack, OpenAPI document, problem responses and allowed host names."""
