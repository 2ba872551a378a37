"""What every test in a browser shares."""

from playwright.async_api import expect

# A starved machine draws late; what never comes still fails.
expect.set_options(timeout=30_000)
