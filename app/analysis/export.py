"""A run as tidy tables (Parquet, CSV) or as a video (OME-TIFF) that other programs open."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import tifffile
from numpy.typing import NDArray

from app.assembly.recording import of_run
from config.atomic import fresh_file, fresh_files
from config.refused import Refused
from config.words import quoted
from drivers.frame_rate import mean_hz
from drivers.journal import Run, read_run
from drivers.journal.tidy import TIDY, Columns, tidy, units

FORMATS = ("parquet", "csv", "ome-tiff")

Step = Callable[[int], None]  # called with the number of finished turns or frames
ARROW = {"i": pa.int64(), "u": pa.int64(), "f": pa.float64(), "b": pa.bool_(), "O": pa.string()}


def export(
    run_path: Path | str, to: str, out: Path | str, step: Step = lambda done: None, kind: str = ""
) -> list[Path]:  # fmt: skip
    """Write a run into the folder `out`. Return the paths of the new files.

    Args:
        run_path: the run; of an unfinished run, the turns recorded so far.
        to: "parquet", "csv" or "ome-tiff".
        out: a folder, which is created if it does not exist.
        step: called with the number of finished turns or frames.
        kind: kind of the files that may be replaced (config.output_kinds); "": tables replace tables, a video a video.

    Raises Refused for an unknown format, an unreadable run, a run without frames as OME-TIFF, or an existing file that
    must not be replaced.
    """
    out = Path(out)
    _require_format(to)
    if out.exists() and not out.is_dir():
        raise Refused(f"{out}: found a file, where a folder for the exported files is needed")
    with read_run(run_path) as run:
        run.require_turns()
        if to == "ome-tiff" and run.image_count == 0:
            raise Refused(f"{run_path}: this run has no frames to export (it was recorded without them)")
        existed = os.path.lexists(out)
        try:
            out.mkdir(parents=True, exist_ok=True)
            if to == "ome-tiff":
                return [_video(run, out / "frames.ome.tif", step, kind)]
            return _tables(run, to, out, step, kind)
        except BaseException as error:
            if not existed:
                with suppress(OSError):  # it is not empty
                    out.rmdir()
            if isinstance(error, OSError):
                raise Refused(f"{out}: the exported files can't be written ({error})") from None
            raise


def written(to: str, out: Path) -> dict[str, Path]:
    """The files that an export makes in the folder `out`, by their names in messages. Raises Refused."""
    _require_format(to)
    names = ["frames.ome.tif"] if to == "ome-tiff" else [f"{name}.{to}" for name in TIDY]
    return {f"the export's {name}": out / name for name in names}


def _require_format(to: str) -> None:
    if to not in FORMATS:
        raise Refused(f"--to {quoted(to)}: this format is not known (allowed: {', '.join(FORMATS)})")


def _tables(run: Run, to: str, out: Path, step: Step, kind: str) -> list[Path]:
    """Write every tidy table, some hundred turns at a time: a long run does not need to fit in memory.

    The writers are closed before the files are moved to their final paths, all of them or none.
    """
    output_paths = {name: out / f"{name}.{to}" for name in TIDY}
    with fresh_files(dict.fromkeys(output_paths.values(), kind)) as places, ExitStack() as writing:
        parts = dict(zip(output_paths, places, strict=True))
        writers: dict[str, Any] = {}
        schemas: dict[str, Any] = {}
        for name, columns in tidy(run, run.batches(0, 0)).items():
            schemas[name] = _schema(run, columns)
            writer = pa.parquet.ParquetWriter if to == "parquet" else pa.csv.CSVWriter
            writers[name] = writing.enter_context(writer(parts[name], schemas[name]))
        for done, batch in _counted(run):
            for name, columns in tidy(run, iter([batch])).items():
                arrays = [pa.array(values, ARROW[values.dtype.kind]) for values in columns.values()]
                writers[name].write_table(pa.Table.from_arrays(arrays, schema=schemas[name]))
            step(done)
    return list(output_paths.values())


def _counted(run: Run) -> Iterator[tuple[int, Any]]:
    done = 0
    for batch in run.batches():
        done += len(batch[0])
        yield done, batch


def _schema(run: Run, columns: Columns) -> Any:
    """The schema of the columns. Units are metadata of each column, and `attrs["units"]` of the pandas table."""
    unit_of = units(columns)
    fields = [
        pa.field(name, ARROW[values.dtype.kind], metadata={"unit": unit_of[name]} if unit_of[name] else None)
        for name, values in columns.items()
    ]
    empty = pd.DataFrame({name: pd.Series(dtype="str" if values.dtype == object else values.dtype)
                          for name, values in columns.items()})  # fmt: skip
    empty.attrs = {"units": {name: unit for name, unit in unit_of.items() if unit}}
    pandas = pa.Schema.from_pandas(empty, preserve_index=False).metadata[b"pandas"]
    metadata = {"pandas": pandas, "units": json.dumps(empty.attrs["units"]), "run": run.header.text()}
    return pa.schema(fields, metadata=metadata)


def _video(run: Run, path: Path, step: Step, kind: str) -> Path:
    """Write the frames as OME-TIFF, with pixel size, frame interval and the time of each frame."""
    header = run.header
    turns = run.rows("turns")
    kept = turns[turns["image"] >= 0]
    metadata: dict[str, Any] = {"axes": "TYX", "Name": run.path.stem}
    stated = of_run(header)  # a guess would become a fact of the new file
    if stated.um_per_px is not None:
        metadata |= {"PhysicalSizeX": header.um_per_px, "PhysicalSizeXUnit": "µm"}
        metadata |= {"PhysicalSizeY": header.um_per_px, "PhysicalSizeYUnit": "µm"}
    # from image to image, since readers assume even intervals; dropped frame numbers have no image
    fps = mean_hz(np.arange(len(kept)), kept["frame_time_s"], header.fps)
    if fps > 0 and stated.fps is not None:
        metadata |= {"TimeIncrement": 1.0 / fps, "TimeIncrementUnit": "s"}
        metadata |= {"Plane": {"DeltaT": kept["frame_time_s"].tolist(), "DeltaTUnit": ["s"] * len(kept)}}
    shape = (len(kept), header.height_px, header.width_px)
    large = bool(np.prod(shape, dtype=np.int64) * np.dtype(header.pixel_type).itemsize > 2**32 - 2**25)
    with fresh_file(path, kind=kind) as part, tifffile.TiffWriter(part, ome=True, bigtiff=large) as file:
        file.write(
            _images(run, kept["image"], step),
            shape=shape,
            dtype=header.pixel_type,
            photometric="minisblack",
            metadata=metadata,
        )
    return path


def _images(run: Run, rows: NDArray[np.int64], step: Step) -> Iterator[NDArray[Any]]:
    for done, row in enumerate(rows.tolist(), 1):
        yield run.image(row)
        step(done)
