"""``RunDetails``: a run while it goes on, in a terminal or in a notebook."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from azureml._beside import need_ours

need_ours(__name__)

from azureml.core._warnings import warn  # noqa: E402
from azureml.exceptions import UserErrorException  # noqa: E402

if TYPE_CHECKING:
    from azureml.core.run import Run

__all__ = ["RunDetails"]

_PAUSE = 1.0  # seconds between two looks


class RunDetails:
    """State, metrics with a chart, and the end of the log, until the run is over.

    In a terminal ``show`` draws until then; Ctrl-C ends the drawing, not the run. In a notebook it returns at once and the
    output goes on by itself. Where neither is (a file, a pipe), it prints the run as it is.
    """

    def __init__(self, run_instance: Run):
        from azureml.core.run import Run

        if not isinstance(run_instance, Run):
            raise UserErrorException(f"RunDetails shows a run of the server, not {type(run_instance).__name__}")
        self._run = run_instance

    def show(self, render_lib: Any = None, widget_settings: dict | None = None) -> None:
        given = [name for name, value in (("render_lib", render_lib), ("widget_settings", widget_settings)) if value is not None]
        if given:
            warn(f"RunDetails.show: {', '.join(given)} has no meaning here and is ignored")
        if _is_notebook():
            self._show_in_notebook()
        elif sys.stdout.isatty():
            self._show_in_terminal()
        else:
            from azureml.widgets._text import draw

            print("\n".join(draw(self._look(), width=100)))

    def get_widget_data(self, widget_settings: dict | None = None) -> dict:
        """What is shown, as a dictionary."""
        from azureml.widgets._view import as_dict

        return as_dict(self._look())

    def _look(self) -> Any:
        from azureml.widgets._view import look

        return look(self._run)

    def _show_in_terminal(self) -> None:
        from azureml.widgets._text import Screen

        screen = Screen(sys.stdout)
        try:
            for view in self._views():
                screen.show(view)
        except KeyboardInterrupt:
            print("\nThe run goes on; it is shown at", self._run.get_portal_url())

    def _show_in_notebook(self) -> None:
        from IPython.display import HTML, display

        from azureml.widgets._html import page

        views = self._views()
        handle = display(HTML(page(next(views))), display_id=True)

        def follow() -> None:
            for view in views:
                handle.update(HTML(page(view)))

        threading.Thread(target=follow, name="RunDetails", daemon=True).start()

    def _views(self) -> Any:
        """The run again and again until it is over; a server that is away is waited for."""
        from azureml.core._service import ask_until_answered

        while True:
            view = ask_until_answered(self._look)
            yield view
            if view.is_over:
                return
            time.sleep(_PAUSE)


def _is_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and getattr(shell, "kernel", None) is not None
