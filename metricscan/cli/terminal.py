"""Names of files, jobs and metrics on a terminal: control characters are escaped, so the terminal does not interpret them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metricscan.reports.names import escape, is_byte

if TYPE_CHECKING:
    from rich.console import Console


def spelled(text: str) -> str:
    r"""Text with its control and other invisible characters as escapes; line ends and bytes that are not text stay.

    >>> spelled("trial\x1b[31m 1")
    'trial\\x1b[31m 1'
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in "\n\t" or is_byte(character) else escape(character)
        for character in text
    )


def one_line(text: str) -> str:
    r"""Text of one line: with its line ends and tabs as escapes, too, so that a name begins no line.

    >>> one_line("trial\n\x1b[31m 1")
    'trial\\n\\x1b[31m 1'
    """
    if text.isprintable():
        return text
    return spelled(text).replace("\n", "\\n").replace("\t", "\\t")


def message_lines(text: str) -> str:
    """A message of one or more lines. All but the first are indented, so that none is taken for another message."""
    first, *others = spelled(text).replace("\t", "\\t").split("\n")
    return "\n".join([first, *(line if line.startswith("  ") else f"  {line}" for line in others)])


def spell_all(console: Console) -> None:
    """Have a console spell all text that it prints; its own styles and cursor movements stay."""
    from rich.console import ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
    from rich.segment import Segment

    class Spelled:
        def __init__(self, renderable: ConsoleRenderable) -> None:
            self.renderable = renderable

        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            for segment in console.render(self.renderable, options):
                yield segment if segment.control else Segment(spelled(segment.text), segment.style)

    class Hook(RenderHook):
        def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
            return [Spelled(renderable) for renderable in renderables]

    console.push_render_hook(Hook())
