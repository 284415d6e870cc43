"""Models of requests and answers, a module an endpoint; the OpenAPI document is made from them."""
