"""The tab in Flower: page, JSON and WebSocket API, metrics endpoint; all that is shown comes from `query`."""
