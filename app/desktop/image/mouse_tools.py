"""Mouse actions in the image: follow a particle, set its species, add a trap and drag it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pyqtgraph as pg
from PyQt6.QtCore import QObject, Qt, pyqtSignal
from PyQt6.QtGui import QCursor
from PyQt6.QtWidgets import QMenu, QWidgetAction

from app.desktop.forms.defaults import begin
from app.desktop.image.excluded_regions import KINDS, Regions
from app.desktop.image.grey_levels import Levels
from app.desktop.image.image_view import NO_PARTICLE, View
from app.desktop.window import theme
from app.tuning.images_to_corrections import IMAGES, TAKEN
from control.contract import Tracks
from control.policies.external import External
from control.potentials.gaussian import Gaussian

SPECIES = 4  # offered in the menu
COLOURS = ("grey", "viridis", "inferno")
FAR_UM = 1e9  # no place in a sample
EXCLUDED_REGIONS = "tracking.excluded_regions"
REGIONS_CHANGED = "the regions were changed meanwhile: none was removed; do it again"
TRAPS_CHANGED = "the traps were changed meanwhile: no trap was moved or removed; do it again"


class MouseTools(QObject):
    """Converts mouse actions into edits of the experiment. The panel can undo them and puts them in force."""

    edited = pyqtSignal(object)  # the experiment as plain data
    followed = pyqtSignal(int)
    rig_edited = pyqtSignal(dict)  # dotted key to value
    asked_for = pyqtSignal(str)  # kind of a correction image, a key of TAKEN
    refused = pyqtSignal(str)  # reason why an action of the mouse has no effect

    def __init__(self, view: View, data: Callable[[], dict[str, Any]], tracks: Callable[[], Tracks | None]) -> None:
        super().__init__(view)
        self.view, self._data, self._tracks = view, data, tracks
        self.traps: list[pg.TargetItem] = []
        self._centres_um: dict[int, list[float]] = {}  # the traps that have a handle, as `_traps` returns them
        self.regions = Regions(view)
        self.regions.changed.connect(lambda regions: self.rig_edited.emit({EXCLUDED_REGIONS: regions}))
        view.clicked.connect(self._clicked)

    def nearest(self, x_um: float, y_um: float) -> int:
        """The particle under the mouse, or NOBODY."""
        tracks = self._tracks()
        if tracks is None or len(tracks) == 0:
            return NO_PARTICLE
        distance = np.hypot(*(tracks.position_um - (x_um, y_um)).T)
        index = int(np.argmin(distance))
        return int(tracks.particle[index]) if distance[index] <= 0.75 * self.view.diameter_um else NO_PARTICLE

    def follow(self, particle: int) -> None:
        """Highlight this particle. The same particle again, or NOBODY: highlight none."""
        self.view.followed = NO_PARTICLE if particle == self.view.followed else particle
        self.followed.emit(self.view.followed)

    def give_species(self, particle: int, species: int) -> None:
        data = copy.deepcopy(self._data())
        entered = data["species"]
        species_list = list(entered) if isinstance(entered, list) else []  # any text can be typed there
        species_list += [0] * (particle + 1 - len(species_list))
        species_list[particle] = species
        data["species"] = species_list
        self.edited.emit(data)

    def drop_trap(self, x_um: float, y_um: float) -> None:
        """Add an external trap at this position; it acts on all particles."""
        data = copy.deepcopy(self._data())
        force = {**begin(External), "shape": begin(Gaussian), "centre_um": [round(x_um, 3), round(y_um, 3)]}
        data["policy"]["forces"].append(force)
        self.edited.emit(data)

    def move_trap(self, index: int, x_um: float, y_um: float) -> None:
        data = copy.deepcopy(self._data())
        if index in _traps(data):
            data["policy"]["forces"][index]["centre_um"] = [round(x_um, 3), round(y_um, 3)]
            self.edited.emit(data)

    def remove_trap(self, index: int) -> None:
        data = copy.deepcopy(self._data())
        if index in _traps(data):
            del data["policy"]["forces"][index]
            self.edited.emit(data)

    def _edit_trap(self, centres_um: dict[int, list[float]], edit: Callable[..., None], *arguments: Any) -> None:
        """Edit a trap, unless the traps have changed since the handles (`centres_um`) were shown.

        The handles are renewed after the check of an edit. Until then a handle may have the index of another trap.
        """
        if _traps(self._data()) == centres_um:
            edit(*arguments)
        else:
            self.show_traps()
            self.refused.emit(TRAPS_CHANGED)

    def show_traps(self) -> None:
        """A handle at the centre of each external force that has one. The experiment need not be valid.

        If the traps change while the mouse drags a handle, that drag ends: the handle may now be that of another trap.
        """
        before, self._centres_um = self._centres_um, _traps(self._data())
        while len(self.traps) < len(self._centres_um):
            self.traps.append(self._handle())
        if self._centres_um != before:
            for handle in self.traps:
                handle.moving = False
        for handle, (index, centre_um) in zip(self.traps, self._centres_um.items(), strict=False):
            handle.index = index
            handle.blockSignals(True)
            handle.setPos(*map(float, centre_um))
            handle.blockSignals(False)
        for number, handle in enumerate(self.traps):
            handle.setVisible(number < len(self._centres_um))

    def _handle(self) -> pg.TargetItem:
        handle = pg.TargetItem((0, 0), size=16, symbol="crosshair", pen=pg.mkPen(theme.YELLOW, width=2), movable=True)
        handle.setZValue(50)
        handle.sigPositionChangeFinished.connect(
            lambda item: self._edit_trap(self._centres_um, self.move_trap, item.index, item.pos().x(), item.pos().y())
        )
        self.view.box.addItem(handle)
        return handle

    def _clicked(self, x_um: float, y_um: float, button: object) -> None:
        if button == Qt.MouseButton.RightButton:
            self.menu(x_um, y_um).popup(QCursor.pos())
        elif button == Qt.MouseButton.LeftButton:
            self.follow(self.nearest(x_um, y_um))

    def _remove_region(self, number: int, shown: list[dict[str, Any]]) -> None:
        """Remove a region, unless they have changed since the menu was opened (`shown`)."""
        if self.regions.shown == shown:
            self.regions.remove(number)
        else:
            self.refused.emit(REGIONS_CHANGED)

    def close_menu(self) -> None:
        """Close an open context menu: its entries are of the experiment that was shown when it was opened."""
        for menu in self.view.findChildren(QMenu, options=Qt.FindChildOption.FindDirectChildrenOnly):
            menu.close()

    def menu(self, x_um: float, y_um: float) -> QMenu:
        """The context menu for this position."""
        menu = QMenu(self.view)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        particle = self.nearest(x_um, y_um)
        if particle != NO_PARTICLE:
            menu.addAction(f"Follow particle {particle}", lambda: self.follow(particle))
            species = menu.addMenu(f"Species of particle {particle}")
            assert species is not None
            for number in range(SPECIES):
                species.addAction(str(number), lambda number=number: self.give_species(particle, number))
        if "forces" in self._data()["policy"]:
            menu.addAction("Drop a trap here", lambda: self.drop_trap(x_um, y_um))
        for handle in self.traps:
            if (
                handle.isVisible()
                and np.hypot(handle.pos().x() - x_um, handle.pos().y() - y_um) < self.view.diameter_um
            ):
                menu.addAction(
                    "Remove this trap",
                    lambda index=handle.index, centres_um=self._centres_um: self._edit_trap(
                        centres_um, self.remove_trap, index
                    ),
                )
        self._add_correction_entries(menu, x_um, y_um)
        menu.addSeparator()
        menu.addAction("Whole image", self.view.fit)
        levels = menu.addMenu("Levels")
        assert levels is not None
        levels_action = QWidgetAction(levels)
        levels_action.setDefaultWidget(Levels(self.view))
        levels.addAction(levels_action)
        colours = menu.addMenu("Colours")
        assert colours is not None
        for name in COLOURS:
            colours.addAction(name, lambda name=name: self.view.set_colours(name))
        self._add_toggles(menu)
        return menu

    def _add_correction_entries(self, menu: QMenu, x_um: float, y_um: float) -> None:
        """Menu entries for excluded regions and correction images."""
        menu.addSeparator()
        exclude_menu = menu.addMenu("Exclude a region here")
        assert exclude_menu is not None
        exclude_menu.setToolTip("what is found in it is no particle; drag it, or its corner, to where it belongs")
        for kind in KINDS:
            exclude_menu.addAction(kind.capitalize(), lambda kind=kind: self.regions.add(kind, x_um, y_um))
        number = self.regions.at(x_um, y_um)
        if number is not None:
            menu.addAction("Remove this region", lambda shown=self.regions.shown: self._remove_region(number, shown))
        take_menu = menu.addMenu("Correct the images")
        assert take_menu is not None
        take_menu.setToolTipsVisible(True)
        for kind, correction in TAKEN.items():
            action = take_menu.addAction(f"Take the {correction.name}", lambda kind=kind: self.asked_for.emit(kind))
            assert action is not None
            action.setToolTip(f"from {IMAGES} images over {correction.over_s:g} s; {correction.needs}")
        take_menu.addSeparator()
        no_corrections = {correction.key: "" for correction in TAKEN.values()}
        take_menu.addAction("Correct nothing", lambda: self.rig_edited.emit(no_corrections))

    def _add_toggles(self, menu: QMenu) -> None:
        for label, item in (
            ("Identities", self.view.labels),
            ("Trails", self.view.trails),
            ("Forces", self.view.arrows),
        ):
            action = menu.addAction(label)
            assert action is not None
            action.setCheckable(True)
            action.setChecked(item.on)
            action.toggled.connect(lambda on, item=item: setattr(item, "on", on))


def _traps(data: dict[str, Any]) -> dict[int, list[float]]:
    """The centre of each force that has one, by the number of the force. The experiment need not be valid."""
    forces = enumerate(data["policy"].get("forces", []))
    return {index: force["centre_um"] for index, force in forces if _is_position(force.get("centre_um"))}


def _is_position(value: object) -> bool:
    """Whether the value is [x, y] in µm: any text can be typed there."""
    numbers = value if isinstance(value, list) else []
    return len(numbers) == 2 and all(isinstance(each, int | float) and abs(each) < FAR_UM for each in numbers)
