"""The shop's side: the script that a theme loads, the pixel that reports purchases, the demo shop, made-up shoppers."""
