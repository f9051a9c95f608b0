"""The Flask application: HTTP API, OpenAPI document, problem responses and allowed hosts."""
