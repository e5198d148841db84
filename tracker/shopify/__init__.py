"""What Shopify tells of orders: POST /shopify/webhooks."""
