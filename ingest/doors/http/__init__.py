"""The HTTP door: routes, requests, replies, and what stands behind them."""
