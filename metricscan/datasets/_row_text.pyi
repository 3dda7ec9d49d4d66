from typing import Any, Final, TypeAlias, final

import numpy as np
import numpy.typing as npt

BUILT_FROM: Final[str]

_Texts: TypeAlias = tuple[npt.NDArray[np.int32], bytes, npt.NDArray[np.int64]]

@final
class RowText:
    def __init__(
        self,
        json: bool,
        job: _Texts,
        stream: _Texts,
        part: npt.NDArray[np.int32],
        metric: _Texts,
        text: _Texts | None,
        value: npt.NDArray[np.float64] | None,
        line: npt.NDArray[np.int64],
        offset: npt.NDArray[np.int64],
        start: npt.NDArray[np.int64],
        time: npt.NDArray[np.int64] | None,
        no_time: int,
        step: npt.NDArray[np.float64] | None = None,
    ) -> None: ...
    def put(self, buffer: Any) -> int: ...
    @property
    def is_done(self) -> bool: ...

def number_text(value: float, json: bool) -> str: ...
