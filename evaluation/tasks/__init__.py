"""Where tasks come from: sources that turn a specification, a seed and a count into questions with truth."""

from evaluation.tasks.sources import Drawn, draw_tasks, list_sources, load_tasks

__all__ = ["Drawn", "draw_tasks", "list_sources", "load_tasks"]
