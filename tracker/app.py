"""create_app: the one place where the parts are joined."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from tracker.askai.blueprint import askai_blueprint
from tracker.cli import register_commands
from tracker.config import Config, load_config
from tracker.decisions.eligibility import Holdout
from tracker.decisions.engine import Advisor
from tracker.decisions.shop_file import ShopFile
from tracker.ingest.blueprint import ingest_blueprint
from tracker.ingest.events import EventLimits
from tracker.ingest.forget import forget_blueprint
from tracker.llm.budget import Allowance
from tracker.llm.groq_client import GroqClient
from tracker.ops.health import health_blueprint
from tracker.owner.blueprint import owner_blueprint
from tracker.sessions.merge import SessionLimits
from tracker.sessions.store import SessionStore
from tracker.storage.json_file import JsonFileStore
from tracker.storefront.blueprint import ScriptFirst, storefront_blueprint, storefront_script
from tracker.web.docs import register_api
from tracker.web.errors import register_errors
from tracker.web.observability import configure_logging, register_request_log
from tracker.web.origins import AllowedOrigins, register_origins
from tracker.web.security import register_security_headers

PUBLIC_PATHS = frozenset({"/ingest", "/events", "/askai", "/forget"})
"""What the storefront's pages use, from another origin."""


class _Service(Flask):
    """Flask for views that are no coroutines: it then need not look at each of them, and each hook, on each request."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def now_ms() -> int:
    """Give the service's clock: milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def create_app(
    config: Config | None = None, *, store: SessionStore | None = None, advisor: Advisor | None = None
) -> Flask:
    """Make the WSGI application.

    `config` is read from the environment where it is not given, and `store` and `advisor` are made from it. Nothing is
    opened before the first request, so the application may be made before a fork. Raises ConfigError.
    """
    config = config or load_config()
    configure_logging(config.log_level, (config.groq_api_key, config.admin_token))
    store = store or JsonFileStore(config.storage_file)
    shop = ShopFile(config.shop_file)
    advisor = advisor or _advisor(config, store, shop)

    app = _Service("tracker", static_folder=None)
    # One byte more, because werkzeug refuses a chunked body of exactly this size; read_body holds the real limit.
    app.config.update(MAX_BODY_BYTES=config.max_body_bytes, MAX_CONTENT_LENGTH=config.max_body_bytes + 1)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    register_request_log(app)
    register_security_headers(app)
    register_origins(app, AllowedOrigins(config.allowed_origins), PUBLIC_PATHS, for_pixels=frozenset({"/ingest"}))
    api = register_api(app)
    # After the API, which brings a handler of its own for HTTP errors.
    register_errors(app)
    event_limits = EventLimits(
        event_bytes=config.max_event_bytes,
        depth=config.max_depth,
        body_events=config.max_body_events,
        pages=config.max_pages,
    )
    session_limits = SessionLimits(
        events=config.max_session_events, pages=config.max_pages, event_bytes=config.max_session_bytes
    )
    api.register_blueprint(ingest_blueprint(store, event_limits, session_limits, now_ms))
    api.register_blueprint(forget_blueprint(store))
    api.register_blueprint(askai_blueprint(store, advisor))
    api.register_blueprint(owner_blueprint(store, config.admin_token))
    api.register_blueprint(health_blueprint(store, lambda: [shop.problem] if shop.problem else []))
    script = storefront_script()
    app.register_blueprint(storefront_blueprint(config.storefront_script, script))
    app.wsgi_app = ScriptFirst(app.wsgi_app, config.storefront_script, script)  # type: ignore[method-assign]
    if config.demo_shop:
        from tracker.demo.blueprint import demo_blueprint  # noqa: PLC0415  loaded only where it is on

        app.register_blueprint(demo_blueprint(store.get, script.version))
    if config.trusted_proxies:
        # Proxies in a row add to X-Forwarded-For, but pass scheme and host on as one value.
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=config.trusted_proxies, x_proto=1, x_host=1
        )
    register_commands(app, store, advisor, session_limits, config.shop_file)
    return app


def _advisor(config: Config, store: SessionStore, shop: ShopFile) -> Advisor:
    model = None
    if config.groq_api_key:
        model = GroqClient(
            config.groq_api_key, config.groq_base_url, config.groq_model, max_calls=config.model_calls_at_once
        )
    allowance = Allowance(
        config.storage_file.with_name(config.storage_file.name + ".allowance"),
        daily_calls=config.model_daily_calls,
        daily_tokens=config.model_daily_tokens,
    )
    return Advisor(
        store,
        shop,
        model=model,
        allowance=allowance,
        holdout=Holdout(percent=config.holdout_percent),
        clock=now_ms,
        cool_down_s=config.model_cool_down,
    )
