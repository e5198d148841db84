"""create_app: the one place where the parts of the service are joined."""

from __future__ import annotations

import time

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from tracker.askai.blueprint import askai_blueprint
from tracker.cli import register_commands
from tracker.config import Config, load_config
from tracker.decisions.eligibility import Holdout
from tracker.decisions.engine import Engine
from tracker.decisions.shop.live_file import ShopFile
from tracker.durable.cell import FileCell
from tracker.ingest.blueprint import ingest_blueprint
from tracker.ingest.events import EventLimits
from tracker.llm.budget import DailyLimits
from tracker.llm.groq_client import GroqClient
from tracker.llm.shared_budget import SharedBudget
from tracker.ops.health import health_blueprint, notice_of_disk
from tracker.owner.blueprint import owner_blueprint
from tracker.sessions.merge import SessionLimits
from tracker.sessions.store import SessionStore
from tracker.storage.json_file import JsonFileStore
from tracker.storefront.blueprint import ScriptFirst, storefront_blueprint, storefront_script
from tracker.web.access import register_access
from tracker.web.docs import docs_blueprint
from tracker.web.errors import register_errors
from tracker.web.observability import configure_logging, register_request_log
from tracker.web.origins import AllowedOrigins, register_cors
from tracker.web.routes import Service
from tracker.web.security import register_security_headers


def now_ms() -> int:
    """Return the service's clock: milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def create_app(
    config: Config | None = None, *, store: SessionStore | None = None, engine: Engine | None = None
) -> Flask:
    """Make the WSGI application.

    `config` defaults to the environment's, and `store` and `engine` to those that it describes. Nothing is opened
    before the first request, so the application may be made before a fork. Raises ConfigError.
    """
    config = config or load_config()
    configure_logging(config.log_level, (config.groq_api_key, config.admin_token))
    notices = [] if store else [notice_of_disk(config.storage_file)]
    store = store or JsonFileStore(config.storage_file)
    shop = ShopFile(config.shop_file)
    engine = engine or _engine(config, store, shop)
    origins = AllowedOrigins(config.allowed_origins)
    session_limits = SessionLimits(
        events=config.max_session_events, pages=config.max_pages, event_bytes=config.max_session_bytes
    )

    app = Service("tracker")
    app.config["MAX_BODY_BYTES"] = config.max_body_bytes
    app.json.sort_keys = False  # type: ignore[attr-defined]
    register_request_log(app)
    register_security_headers(app)
    register_errors(app)
    register_access(app, origins, config.admin_token)

    app.register_blueprint(ingest_blueprint(store, _event_limits(config), session_limits, now_ms))
    app.register_blueprint(askai_blueprint(engine, shop))
    app.register_blueprint(owner_blueprint(store))
    notices.append(lambda: shop.problem)
    app.register_blueprint(health_blueprint(store, notices))
    app.register_blueprint(docs_blueprint(app))
    script = storefront_script()
    app.register_blueprint(storefront_blueprint(config.storefront_script, script))
    if config.demo_shop:
        from tracker.demo.blueprint import demo_blueprint  # noqa: PLC0415  loaded only where it is on

        app.register_blueprint(demo_blueprint(store.get, script.version))
    register_cors(app, origins)

    app.wsgi_app = ScriptFirst(app.wsgi_app, config.storefront_script, script)  # type: ignore[method-assign]
    if config.trusted_proxies:
        # A chain of proxies appends to X-Forwarded-For, but passes scheme and host on as one value.
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=config.trusted_proxies, x_proto=1, x_host=1
        )
    register_commands(app, store, engine, session_limits, config.shop_file)
    return app


def _event_limits(config: Config) -> EventLimits:
    return EventLimits(
        event_bytes=config.max_event_bytes,
        depth=config.max_depth,
        body_events=config.max_body_events,
        pages=config.max_pages,
    )


def _engine(config: Config, store: SessionStore, shop: ShopFile) -> Engine:
    model = None
    if config.groq_api_key:
        model = GroqClient(
            config.groq_api_key, config.groq_base_url, config.groq_model, max_calls=config.model_calls_at_once
        )
    cell = FileCell(config.storage_file.with_name(config.storage_file.name + ".allowance"))
    budget = SharedBudget(cell, DailyLimits(calls=config.model_daily_calls, tokens=config.model_daily_tokens))
    return Engine(
        store,
        shop,
        model=model,
        budget=budget,
        holdout=Holdout(percent=config.holdout_percent),
        clock=now_ms,
        cool_down_s=config.model_cool_down,
    )
