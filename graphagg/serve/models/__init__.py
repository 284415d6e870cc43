"""Models of requests and responses, by topic; the OpenAPI document is generated from them."""
