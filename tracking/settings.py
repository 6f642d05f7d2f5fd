"""Settings of tracking: locator, linking, corrections and species."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from config.fields import SMALLEST, Doc, Field, Ge, Gt, Interval, Le, settings
from tracking.locate import page


@settings
class Sorting:
    """Species of particles from their images, by a network that is invariant to affine distortions of the optics.

    Per frame only some particles are classified, those that waited longest first, so that the time is bounded. The
    species is the most frequent result of the last looks. A particle of unknown species gets no light.
    """

    kind: Literal["affine"] = "affine"
    checkpoint: Annotated[str, Doc("file, from the experiment's folder")]
    looks_a_frame: Annotated[int, Ge(1), Le(1000), Doc("most particles that are classified in a frame")] = 16
    looks_kept: Annotated[int, Ge(1), Le(99), Doc("number of last looks that decide on a particle's species")] = 7
    sure: Annotated[float, Ge(0), Le(1), Doc("least probability of a species for a look to count")] = 0.7


@settings
class Rectangle:
    """A part of the image with upright sides. The middle of the top left pixel is (0, 0)."""

    kind: Literal["rectangle"] = "rectangle"
    left_px: Annotated[float, Interval(ge=-1e5, le=1e5), Doc("x of its left side")] = 0.0
    top_px: Annotated[float, Interval(ge=-1e5, le=1e5), Doc("y of its top")] = 0.0
    width_px: Annotated[float, Gt(0), Le(1e5), Doc("its width")] = 20.0
    height_px: Annotated[float, Gt(0), Le(1e5), Doc("its height")] = 20.0


@settings
class Ellipse:
    """The ellipse in an upright rectangle of the image. The middle of the top left pixel is (0, 0)."""

    kind: Literal["ellipse"] = "ellipse"
    left_px: Annotated[float, Interval(ge=-1e5, le=1e5), Doc("x of its leftmost point")] = 0.0
    top_px: Annotated[float, Interval(ge=-1e5, le=1e5), Doc("y of its topmost point")] = 0.0
    width_px: Annotated[float, Gt(0), Le(1e5), Doc("its width")] = 20.0
    height_px: Annotated[float, Gt(0), Le(1e5), Doc("its height")] = 20.0


Region = Annotated[Rectangle | Ellipse, Field(discriminator="kind")]


@settings
class Tracking:
    """Locating particles in a frame (trackpy's parameters of the same names) and linking them to earlier frames."""

    locator: Annotated[page.Locator, Doc("which locator finds the particles")] = "centroid"
    diameter_px: Annotated[int, Ge(3), Le(501), Doc("an odd number a little larger than a particle's image")] = 11
    minmass: Annotated[float, Ge(0), Doc("least integrated brightness of a particle, grey levels")] = 100.0
    maxsize_px: Annotated[float | None, Gt(0), Doc("largest radius of gyration; empty: any")] = None
    separation_px: Annotated[float | None, Ge(1), Doc("least distance of two particles; empty: diameter + 1")] = None
    threshold: Annotated[float | None, Gt(0), Doc("band-passed pixels below it are black; empty: 1 grey level")] = None
    percentile: Annotated[float, Ge(0), Le(100), Doc("a peak must be brighter than this share of pixels")] = 64.0
    invert: Annotated[bool, Doc("dark particles on a bright background")] = False
    preprocess: Annotated[bool, Doc("band-pass the frame first; windows need it")] = True
    noise_size_px: Annotated[float, Ge(0), Le(100), Doc("width of the Gaussian that smoothes pixel noise")] = 1.0
    smoothing_size_px: Annotated[
        int | None, Ge(3), Le(2001), Doc("odd side of the background box; empty: diameter")
    ] = None
    max_iterations: Annotated[int, Ge(1), Le(100), Doc("most steps of one centroid refinement")] = 10
    late_looks: Annotated[
        int, Ge(1), Le(64), Doc("windows, auto: a new particle is found within this many frames, a strip in each")
    ] = 8
    search_px: Annotated[float, Gt(0), Doc("largest move of a particle from frame to frame")] = 5.0
    memory: Annotated[int, Ge(0), Le(100_000), Doc("frames for which an undetected particle is remembered")] = 3
    gate: Annotated[
        Literal["constant", "sqrt_time"],
        Doc("search range; constant: search_px; sqrt_time: search_px * root of the frames since the last detection"),
    ] = "constant"
    predict: Annotated[
        Literal["last", "drift", "nearest_velocity", "channel"],
        Doc(
            "expected position of a particle: its last one, or that moved by the drift common to all, by the "
            "newest move of the nearest particle, or by the flow profile of a channel"
        ),
    ] = "last"
    initial_velocity_px_per_frame: Annotated[
        tuple[float, float], Doc("initial drift x, y of the prediction; 0, 0: it is measured")
    ] = (0.0, 0.0)
    channel_axis: Annotated[Literal["x", "y"], Doc("axis along which a channel flows")] = "x"
    channel_bin_px: Annotated[float, Gt(0), Doc("width of the lanes, across a channel, whose flow is averaged")] = 20.0
    channel_fewest: Annotated[int, Ge(1), Doc("particles in a lane, at least, whose average counts")] = 20
    trapped: Annotated[
        Literal["commanded", "recorded", "last"],
        Doc(
            "expected position of a trapped particle: where its command has moved it (in a replay: the command "
            "that was recorded), or as for any other particle"
        ),
    ] = "commanded"
    crowd_share: Annotated[
        float, Ge(0), Le(1), Doc("search range over the distance to the nearest other particle, at most; 0: no limit")
    ] = 0.0
    confirm: Annotated[int, Ge(0), Le(3), Doc("detections after the first before a new particle may get light")] = 0
    doubt: Annotated[
        float,
        Ge(0),
        Le(1),
        Doc(
            "an ID is uncertain if another link costs less than doubt * search_px^2 more, or is likelier than one in "
            "1000 for the measured step variance; 0: never"
        ),
    ] = 0.1

    dark_file: Annotated[str, Doc("TIFF or NPY file: the frame without light, subtracted from each; empty: none")] = ""
    background_file: Annotated[
        str,
        Doc("TIFF or NPY file: the frame without particles, subtracted from each in place of the dark frame, which it "
            "contains; empty: none"),
    ] = ""  # fmt: skip
    hot_pixels_file: Annotated[
        str, Doc("TIFF or NPY file: pixels that are not 0 get the mean of their neighbours; empty: none")
    ] = ""
    excluded_regions: Annotated[tuple[Region, ...], Doc("regions of the image in which features are ignored")] = ()
    classifier: Annotated[Sorting | None, Doc("names species from images; left out: all are of species 0")] = None

    function_pages: ClassVar[dict[str, str]] = {"locator": "locators"}  # list pages of the functions that fields name

    def __post_init__(self) -> None:
        for name in ("diameter_px", "smoothing_size_px"):
            value = getattr(self, name)
            if value is not None and value % 2 == 0:
                raise ValueError(f"{name} is {value}, and must be odd ({value - 1} or {value + 1})")
        if 0.0 < self.noise_size_px < SMALLEST["px"]:
            raise ValueError(
                f"noise_size_px is {self.noise_size_px:g} (allowed: 0, for no smoothing, or at least "
                f"{SMALLEST['px']:g})"
            )
        if self.noise_size_px >= self.smoothing_px:
            raise ValueError(
                f"noise_size_px is {self.noise_size_px:g}, and must be less than the background box "
                f"({self.smoothing_px} px)"
            )

    @property
    def radius_px(self) -> int:
        return self.diameter_px // 2

    @property
    def least_distance_px(self) -> float:
        """separation_px, or trackpy's default."""
        return self.diameter_px + 1.0 if self.separation_px is None else self.separation_px

    @property
    def margin_px(self) -> int:
        """Least distance of a feature from the frame's edge: the mask and the background box must fit in."""
        return max(self.radius_px, int(self.least_distance_px // 2 - 1), self.smoothing_px // 2)

    @property
    def smoothing_px(self) -> int:
        """smoothing_size_px, or trackpy's default."""
        return self.diameter_px if self.smoothing_size_px is None else self.smoothing_size_px
