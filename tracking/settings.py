"""How particles are found and followed: one frozen set of numbers."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from config.fields import Doc, Field, Ge, Gt, Interval, Le, settings
from tracking.locate import page


@settings
class Sorting:
    """Naming the species of particles from their images, by a network that does not mind bent optics.

    Only some particles are looked at in a frame, those that waited longest first, so that its price is bounded; a
    species is what most of the last looks said. Until a particle's species is known it gets no light.
    """

    kind: Literal["affine"] = "affine"
    checkpoint: Annotated[str, Doc("file, from the experiment's folder")]
    looks_a_frame: Annotated[int, Ge(1), Le(1000), Doc("particles that are looked at in a frame, at most")] = 16
    looks_kept: Annotated[int, Ge(1), Le(99), Doc("last looks at a particle that vote on its species")] = 7
    sure: Annotated[float, Ge(0), Le(1), Doc("a look counts if its species is at least so probable")] = 0.7


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
    """Finding particles in a frame (trackpy's parameters of the same names) and linking them to those seen before."""

    locator: Annotated[page.Locator, Doc("which locator finds the particles")] = "centroid"
    diameter_px: Annotated[int, Ge(3), Le(501), Doc("an odd number a little larger than a particle's image")] = 11
    minmass: Annotated[float, Ge(0), Doc("least integrated brightness of a particle, grey levels")] = 100.0
    maxsize_px: Annotated[float | None, Gt(0), Doc("largest radius of gyration; empty: any")] = None
    separation_px: Annotated[float | None, Ge(1), Doc("least distance of two particles; empty: diameter + 1")] = None
    threshold: Annotated[float | None, Gt(0), Doc("band-passed pixels below it are black; empty: 1 grey level")] = None
    percentile: Annotated[float, Ge(0), Le(100), Doc("a peak must be brighter than this share of pixels")] = 64.0
    invert: Annotated[bool, Doc("dark particles on a bright background")] = False
    preprocess: Annotated[bool, Doc("band-pass the frame first; without it the whole frame is looked at")] = True
    noise_size_px: Annotated[float, Ge(0), Le(100), Doc("width of the Gaussian that smoothes pixel noise")] = 1.0
    smoothing_size_px: Annotated[
        int | None, Ge(3), Le(2001), Doc("odd side of the background box; empty: diameter")
    ] = None
    max_iterations: Annotated[int, Ge(1), Le(100), Doc("most steps of one centroid refinement")] = 10
    late_looks: Annotated[
        int, Ge(1), Le(64), Doc("windows, auto: looks within which a new particle is found: strips of the frame")
    ] = 8
    search_px: Annotated[float, Gt(0), Doc("largest move of a particle from frame to frame")] = 5.0
    memory: Annotated[int, Ge(0), Le(100_000), Doc("frames for which an unseen particle is remembered")] = 3
    gate: Annotated[
        Literal["constant", "sqrt_time"],
        Doc("constant: search_px whatever the gap; sqrt_time: it grows with the root of the time unseen"),
    ] = "constant"
    predict: Annotated[
        Literal["last", "drift", "nearest_velocity", "channel"],
        Doc(
            "where a particle is expected: where it was seen last, or moved on with the drift common to all, with the "
            "newest move of the nearest particle, or with the profile of a channel's flow"
        ),
    ] = "last"
    initial_velocity_px_per_frame: Annotated[
        tuple[float, float], Doc("drift, x and y, with which prediction begins; 0, 0: it is looked for")
    ] = (0.0, 0.0)
    channel_axis: Annotated[Literal["x", "y"], Doc("axis along which a channel flows")] = "x"
    channel_bin_px: Annotated[float, Gt(0), Doc("width of the lanes, across a channel, whose flow is averaged")] = 20.0
    channel_fewest: Annotated[int, Ge(1), Doc("particles in a lane, at least, whose average counts")] = 20
    trapped: Annotated[
        Literal["commanded", "recorded", "last"],
        Doc(
            "where a particle is expected that a trap holds: where its command has moved it (in a replay: the command "
            "that was recorded), or as any other one"
        ),
    ] = "commanded"
    crowd_share: Annotated[
        float, Ge(0), Le(1), Doc("the gate is at most this share of the distance to the nearest other; 0: it is not")
    ] = 0.0
    confirm: Annotated[int, Ge(0), Le(3), Doc("sightings after the first before a new particle may get light")] = 0
    doubt: Annotated[
        float,
        Ge(0),
        Le(1),
        Doc(
            "an identity is uncertain if another link is worse by less than doubt * search^2, or likelier than one in "
            "1000 for the particles' own steps; 0: none is"
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
    excluded_regions: Annotated[tuple[Region, ...], Doc("of the image: what is found in them is no particle")] = ()
    classifier: Annotated[Sorting | None, Doc("names species from images; left out: all are of species 0")] = None

    function_pages: ClassVar[dict[str, str]] = {"locator": "locators"}  # list pages of the functions that fields name

    def __post_init__(self) -> None:
        for name in ("diameter_px", "smoothing_size_px"):
            value = getattr(self, name)
            if value is not None and value % 2 == 0:
                raise ValueError(f"{name} is {value}, and it should be odd ({value - 1} or {value + 1})")
        if self.noise_size_px >= self.smoothing_px:
            raise ValueError(
                f"noise_size_px is {self.noise_size_px:g}, and it should be less than the background box "
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
        """Nearer to the frame's edge there are no features: the mask and the background box would reach over it."""
        return max(self.radius_px, int(self.least_distance_px // 2 - 1), self.smoothing_px // 2)

    @property
    def smoothing_px(self) -> int:
        """smoothing_size_px, or trackpy's default."""
        return self.diameter_px if self.smoothing_size_px is None else self.smoothing_size_px
