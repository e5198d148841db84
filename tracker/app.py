"""create_app: the one place where the parts of the service are joined."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from tracker.askai.blueprint import askai_blueprint
from tracker.cli import register_commands
from tracker.config import Config, load_config
from tracker.decisions.engine import Engine
from tracker.decisions.holdout.epochs import Epochs
from tracker.decisions.shop.live_file import ShopFile, ShopSource
from tracker.durable.disk import size_of_disk
from tracker.ingest.blueprint import ingest_blueprint
from tracker.ingest.events import EventLimits
from tracker.ingest.forget import forget_blueprint
from tracker.insights.counting.counting import VisitCounting
from tracker.insights.counting.live import insights_of
from tracker.insights.joining import Orders
from tracker.insights.port import Insights
from tracker.insights.reporting import Reporting
from tracker.insights.waiting import WaitingOrders
from tracker.llm.budget import DailyLimits
from tracker.llm.groq_client import GroqClient
from tracker.llm.shared_budget import SharedBudget
from tracker.ops.health import health_blueprint, notice_of_disk
from tracker.ops.metrics import count_request, metrics_blueprint
from tracker.ops.request_log import RequestCounts
from tracker.ops.retention import Retention
from tracker.owner.join import OwnerRoom, Parts
from tracker.owner.setup.sightings import SeesScript
from tracker.sessions.merge import SessionLimits
from tracker.sessions.store import SessionStore
from tracker.shopify.blueprint import MAX_WEBHOOK_BYTES, shopify_blueprint
from tracker.storage import open_storage
from tracker.storefront.blueprint import ASSETS, ScriptFirst, storefront_blueprint, storefront_script
from tracker.web.callers.access import register_access
from tracker.web.callers.limits import Limits
from tracker.web.callers.machines import Machines
from tracker.web.callers.origins import AllowedOrigins, Cors
from tracker.web.docs import docs_blueprint
from tracker.web.errors import register_errors
from tracker.web.exchange import Exchanges
from tracker.web.observability import configure_logging
from tracker.web.routes import Service, paths_for_shop_pages


def now_ms() -> int:
    """Return the service's clock: milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def create_app(
    config: Config | None = None,
    *,
    store: SessionStore | None = None,
    engine: Engine | None = None,
    insights: Insights | None = None,
    clock: Callable[[], int] = now_ms,
    env_file: Path | None = None,
    may_choose_token: bool = False,
) -> Flask:
    """Make the WSGI application.

    `config` defaults to the environment's, and the other parts to those that it describes; `clock` returns ms
    since 1970. Nothing is opened before the first request, so the application may be made before a fork. Settings came
    from `env_file`, perhaps; `may_choose_token`: an ADMIN_TOKEN that is written into it later takes effect. Raises
    ConfigError.
    """
    config = config or load_config()
    configure_logging(config.log_level, config.secrets, config.log_format)
    zone = config.shop_timezone
    storage = open_storage(config.storage_url, config.database_connections, VisitCounting(zone, clock))
    on_disk = store is None and not config.database_url
    sums = storage.sums if store is None else None
    store = store or storage.sessions
    published = storage.cell("shop") if config.database_url else None
    shop = ShopFile(config.shop_file, published)
    spoken: ShopSource = shop
    if config.demo_shop:
        from tracker.demo.shop_file import OwnersFileOrDemos  # noqa: PLC0415  loaded only where it is on

        spoken = OwnersFileOrDemos(shop, config.shop_file)
    epochs = Epochs(storage.cell("epochs"), 0.0 if config.demo_shop else config.holdout_percent, clock)
    limits = DailyLimits(calls=config.model_daily_calls, tokens=config.model_daily_tokens)
    budget = SharedBudget(storage.cell("allowance"), limits)
    engine = engine or _engine(config, store, spoken, budget, epochs, clock)
    waiting = WaitingOrders(storage.cell("orders"), zone)
    insights = insights or insights_of(store, sums, zone, epochs, waiting)
    orders = Orders(store, waiting, insights.session_of, clock)
    origins = AllowedOrigins(config.allowed_origins)
    session_limits = SessionLimits(
        events=config.max_session_events, pages=config.max_pages, event_bytes=config.max_session_bytes
    )

    retention = Retention(store, storage.cell("retention"), config.keep_days, clock, most_bytes=_most_bytes(config))
    notices: list[Callable[[], str | None]] = [
        *([notice_of_disk(config.storage_file)] if on_disk else []),
        lambda: budget.notice(clock()) if config.groq_api_key else None,
        retention.notice,
    ]
    owner = OwnerRoom(
        Parts(
            config=config,
            store=store,
            engine=engine,
            shop=shop,
            clock=clock,
            insights=insights,
            notices=lambda: [told for notice in notices if (told := notice())],
            seen=storage.cell("seen"),
            popup_style=(ASSETS / "popup.css").read_bytes(),
            env_file=env_file,
            may_choose_token=may_choose_token,
        )
    )

    app = Service("tracker")
    app.config["MAX_BODY_BYTES"] = config.max_body_bytes
    app.config["MAX_WEBHOOK_BYTES"] = MAX_WEBHOOK_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.extensions["limits"] = Limits(is_on=config.rate_limits, model_calls=config.model_daily_calls)
    app.extensions["machines"] = Machines(
        are_stored=config.store_bots or config.demo_shop, on_left_out=lambda: owner.sightings.note("machine", "")
    )
    register_errors(app)
    register_access(app, origins, owner.token.current, owner.cookie.is_there, config.shopify_webhook_secret)

    app.register_blueprint(ingest_blueprint(store, _event_limits(config), session_limits, clock, orders.checkout_seen))
    app.register_blueprint(forget_blueprint(store))
    app.register_blueprint(askai_blueprint(engine, spoken, needs_page=not origins.takes_all))
    app.register_blueprint(shopify_blueprint(orders, config.shopify_shop_domain))
    for blueprint in owner.blueprints():
        app.register_blueprint(blueprint)
    app.register_blueprint(health_blueprint(store, [lambda: shop.problem, *notices]))
    app.register_blueprint(metrics_blueprint(store.check))
    app.register_blueprint(docs_blueprint(app))
    script = storefront_script()
    app.register_blueprint(storefront_blueprint(config.storefront_script, script))
    if config.demo_shop:
        from tracker.demo.blueprint import demo_blueprint  # noqa: PLC0415  loaded only where it is on

        app.register_blueprint(demo_blueprint(store.get, script.version))

    cors = Cors(origins, paths_for_shop_pages(app))
    watchers = [count_request, RequestCounts().watch, owner.sightings.watch, retention.watch]
    app.wsgi_app = Exchanges(app.wsgi_app, cors, watchers)  # type: ignore[method-assign]
    app.wsgi_app = ScriptFirst(app.wsgi_app, config.storefront_script, script)  # type: ignore[method-assign]
    app.wsgi_app = SeesScript(app.wsgi_app, config.storefront_script, owner.sightings)  # type: ignore[method-assign]
    if config.trusted_proxies:
        # A chain of proxies appends to X-Forwarded-For, but passes scheme and host on as one value.
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=config.trusted_proxies, x_proto=1, x_host=1, x_prefix=1
        )
    reporting = Reporting(insights, shop, clock)
    register_commands(app, store, engine, session_limits, config, reporting, published, create_app)
    return app


def _most_bytes(config: Config) -> int:
    """Return the size at which the store makes room; 0 for none."""
    if config.max_store_bytes is not None:
        return config.max_store_bytes
    # While it is written anew, a second file stands beside it, three quarters as large.
    return 0 if config.database_url else size_of_disk(config.storage_file.absolute().parent) // 3


def _event_limits(config: Config) -> EventLimits:
    return EventLimits(
        event_bytes=config.max_event_bytes,
        depth=config.max_depth,
        body_events=config.max_body_events,
        pages=config.max_pages,
    )


def _engine(
    config: Config,
    store: SessionStore,
    shop: ShopSource,
    budget: SharedBudget,
    epochs: Epochs,
    clock: Callable[[], int],
) -> Engine:
    model = None
    if config.groq_api_key:
        model = GroqClient(
            config.groq_api_key, config.groq_base_url, config.groq_model, max_calls=config.model_calls_at_once
        )
    return Engine(
        store,
        shop,
        model=model,
        budget=budget,
        epochs=epochs,
        clock=clock,
        cool_down_s=config.model_cool_down,
    )
