// Stands in for Shopify's web pixel sandbox on the demo's checkout: calls the pixel with what Shopify would call it with.
(() => {
  "use strict";
  const { happened } = document.currentScript.dataset;
  const root = document.documentElement.dataset.root;
  const last = JSON.parse(sessionStorage.getItem("demo-checkout") || "{}");
  const price = async () => {
    if (happened === "checkout_completed") return last;
    const cart = await (await fetch(root + "cart.js")).json();
    const checkout = {
      token: crypto.randomUUID(),
      lineItems: cart.items.map((item) => ({ quantity: item.quantity })),
      totalPrice: { amount: cart.total_price / 100, currencyCode: cart.currency },
      currencyCode: cart.currency,
    };
    sessionStorage.setItem("demo-checkout", JSON.stringify(checkout));
    return checkout;
  };
  window.browser = { localStorage: { getItem: async (key) => localStorage.getItem(key) } };
  window.analytics = {
    async subscribe(name, work) {
      if (name !== happened || window.Shopify.customerPrivacy === undefined)
        await new Promise((done) => window.Shopify.loadFeatures([], done));
      if (name !== happened || !window.Shopify.customerPrivacy.analyticsProcessingAllowed()) return;
      const checkout = await price();
      if (happened === "checkout_completed" && !checkout.lineItems) return;
      await work({ id: crypto.randomUUID(), name, timestamp: new Date().toISOString(), data: { checkout } });
      if (happened === "checkout_completed") sessionStorage.removeItem("demo-checkout");
      document.dispatchEvent(new CustomEvent("shopSignals:look"));
    },
  };
})();
