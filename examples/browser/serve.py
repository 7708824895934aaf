"""The service with one more page: `python -m examples.browser.serve`, then http://127.0.0.1:8000/example/"""

from pathlib import Path
from typing import Final

import uvicorn
from litestar import Litestar
from litestar.static_files import create_static_files_router

from agent.core.errors import ConfigurationError
from agent.server.app import create_app
from agent.settings import Settings, load_settings

HERE: Final = Path(__file__).parent


def with_page(settings: Settings) -> Litestar:
    """The service, which serves this folder under /example. Raises ConfigurationError."""
    app = create_app(settings)
    app.register(create_static_files_router("/example", directories=[HERE], html_mode=True, include_in_schema=False))
    return app


if __name__ == "__main__":
    try:
        loaded = load_settings()
        served = with_page(loaded)
    except ConfigurationError as error:
        raise SystemExit(str(error)) from None
    uvicorn.run(served, host=loaded.host, port=loaded.port)
