// Shows this service's own description of its API; loads nothing from anywhere else.
SwaggerUIBundle({ url: "openapi.json", dom_id: "#api", validatorUrl: null, deepLinking: true });
