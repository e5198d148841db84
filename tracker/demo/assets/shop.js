// The demo theme: what a Shopify theme and Shopify's own scripts do on every page, as far as the storefront script sees it.
(() => {
  "use strict";
  const root = document.documentElement.dataset.root;
  const find = (selector, from = document) => from.querySelector(selector);
  const money = (cents) => "€" + (cents / 100).toFixed(2);

  // ---- Shopify's customer privacy API, with the choice kept in a cookie ----

  const CHOICE = "demo_consent";
  const choice = () => (document.cookie.match(/(?:^|; )demo_consent=(yes|no)/) || [])[1];
  const allowed = () => choice() === "yes";
  const privacy = {
    analyticsProcessingAllowed: allowed,
    marketingAllowed: allowed,
    preferencesProcessingAllowed: allowed,
    shouldShowBanner: () => !choice(),
    setTrackingConsent(answer, done) {
      document.cookie = `${CHOICE}=${answer.analytics ? "yes" : "no"};path=${root};max-age=31536000;samesite=lax`;
      const detail = { analyticsAllowed: answer.analytics, marketingAllowed: answer.marketing };
      document.dispatchEvent(new CustomEvent("visitorConsentCollected", { detail }));
      done();
    },
  };
  window.Shopify = {
    shop: "demo.myshopify.com",
    locale: "en",
    currency: { active: "EUR", rate: "1.0" },
    routes: { root },
    loadFeatures(_features, done) {
      setTimeout(() => {
        window.Shopify.customerPrivacy = privacy;
        done();
      }, 20);
    },
  };

  const banner = find("#consent");
  const decide = (yes) =>
    privacy.setTrackingConsent({ analytics: yes, marketing: yes, preferences: yes }, () => (banner.hidden = true));
  banner.hidden = !privacy.shouldShowBanner();
  find("#consent-yes").addEventListener("click", () => decide(true));
  find("#consent-no").addEventListener("click", () => decide(false));
  find("#privacy-choices").addEventListener("click", () => {
    banner.hidden = false;
    find("#consent-yes").focus();
  });

  // ---- the cart: Ajax API, and the standard storefront event around each change ----

  const ask = async (path, body) => {
    const answer = await fetch(root + path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    const data = await answer.json();
    if (!answer.ok) throw new Error(data.description || "That did not work");
    return data;
  };
  const change = (target, action, work) => {
    const promise = work().then(async () => (await fetch(root + "cart.js")).json());
    const event = new Event("shopify:cart:lines-update", { bubbles: true });
    Object.assign(event, { action, context: "product", lines: [], promise: promise.then((cart) => ({ cart })) });
    event.promise.catch(() => {});
    target.dispatchEvent(event);
    return promise;
  };
  const show = (cart) => {
    for (const element of document.querySelectorAll("[data-cart-count]")) element.textContent = cart.item_count;
    for (const element of document.querySelectorAll("[data-cart-total]")) element.textContent = money(cart.total_price);
  };

  const drawer = find("#cart-drawer");
  const openDrawer = (cart) => {
    find("[data-drawer-lines]").replaceChildren(
      ...cart.items.map((item) => {
        const line = document.createElement("li");
        const picture = Object.assign(new Image(64, 75), { src: item.image, alt: "" });
        const name = document.createElement("span");
        name.textContent = `${item.product_title}, ${item.variant_title}`;
        const count = document.createElement("b");
        count.textContent = `× ${item.quantity}`;
        line.append(picture, name, count);
        return line;
      }),
    );
    drawer.showModal();
  };
  drawer.addEventListener("click", (event) => event.target === drawer && drawer.close());

  const form = find("#product-form");
  if (form)
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const problem = find(".problem", form);
      problem.hidden = true;
      const wanted = new FormData(form);
      const item = { id: Number(wanted.get("id")), quantity: Number(wanted.get("quantity")) };
      try {
        const cart = await change(form, "add", () => ask("cart/add.js", { items: [item] }));
        show(cart);
        openDrawer(cart);
      } catch (error) {
        problem.textContent = error.message;
        problem.hidden = false;
      }
    });

  const page = find("[data-cart-page]");
  if (page)
    page.addEventListener("click", async (event) => {
      const button = event.target.closest("button");
      const line = event.target.closest("[data-variant]");
      if (!button || !line) return;
      const count = find("output", line);
      const now = Number(count.textContent);
      const quantity = { minus: now - 1, plus: now + 1, remove: 0 }[button.name];
      const work = () => ask("cart/change.js", { id: line.dataset.variant, quantity });
      const cart = await change(line, quantity > now ? "add" : "update", work).catch(() => null);
      if (!cart) return;
      if (!cart.item_count) return location.reload();
      const item = cart.items.find((one) => String(one.id) === line.dataset.variant);
      show(cart);
      if (!item) return line.remove();
      count.textContent = item.quantity;
      find("[data-line-price]", line).textContent = money(item.line_price);
    });

  // Back and forward show a page as it was left: the cart may have changed since.
  window.addEventListener("pageshow", async (event) => event.persisted && show(await (await fetch(root + "cart.js")).json()));
})();
