"""One trainer for every network and task: Adam, a schedule, a running mean of weights, a log, and a way back in.

Everything that chance decides comes from (seed, epoch), so that a training that was interrupted goes on as if it had
not been. Its state is kept as safetensors and JSON, like the checkpoint.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from config.atomic import write_file
from config.refused import Refused
from config.words import one_line
from models.board import Board
from models.checkpoint import Card, Trained, Units, write
from models.cloud import moved
from models.data.task import Part, Task
from models.networks import made
from models.training import Training

MOST_EPOCHS, LONGEST_S = 10**9, 1e9  # of a training that is gone on with
QUIET_S = 20.0  # between two lines about a training that nobody watches in a terminal
COLUMNS = ("epoch", "seconds", "learning_rate", "train_mse", "valid_mse")


@dataclass
class Progressed:
    """Where a training is."""

    epoch: int = 0
    seconds: float = 0.0
    best: float = math.inf
    best_epoch: int = 0
    stale: int = 0
    rows: list[list[float]] = field(default_factory=list)


class Trainer:
    """One training. `run` begins it or goes on with it; `path` is the checkpoint's card."""

    def __init__(self, wanted: Training, task: Task, path: Path) -> None:
        require_possible(wanted, path)
        self.wanted, self.task, self.path = wanted, task, path
        torch.manual_seed(wanted.seed)
        self.network = made(lambda: wanted.network.build(task.shape), wanted.title).to(wanted.device)
        self.mean = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.best = {name: value.clone() for name, value in self.mean.items()}
        self.optimiser = _adam(self.network, wanted)
        self.at = Progressed()

    @property
    def _state(self) -> Path:
        return state_of(self.path)

    def run(self, resume: bool = True) -> Card:
        """Train to the end, and write the checkpoint of the best validation. Ctrl-C keeps the state to go on from.

        Raises Refused where a checkpoint is that this training has not made.
        """
        if resume:
            require_own(self.wanted, self.path)
            if self._state.exists():
                self._restore()
        console = Console(file=sys.stderr)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[said]}"),
            TimeRemainingColumn(),
        )
        told_s = time.perf_counter()
        board = Board(self.path.parent / "tensorboard" / self.path.stem)
        with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
            shown = bar.add_task(self.wanted.title, total=1.0, said="")
            while not self._over():
                self._epoch()
                if self.at.rows:
                    board.show(self.at.epoch, train_mse=self.at.rows[-1][3], valid_mse=self.at.rows[-1][4])
                said = f"epoch {self.at.epoch}, best {self.at.best:.5f}"
                bar.update(shown, completed=self._share(), said=said)
                if not console.is_terminal and time.perf_counter() - told_s > QUIET_S:
                    print(f"{self.wanted.title}: {self._share():.0%}, {said}", file=sys.stderr, flush=True)
                    told_s = time.perf_counter()
        board.close()
        if resume:
            require_own(self.wanted, self.path)  # a training takes hours: another checkpoint may have come meanwhile
        return self._finish()

    def _share(self) -> float:
        """How much of the schedule is over."""
        share = self.at.epoch / self.wanted.epochs
        if self.wanted.minutes is not None:
            share = max(share, self.at.seconds / (60 * self.wanted.minutes))
        return min(share, 1.0)

    def _over(self) -> bool:
        return self._share() >= 1.0 or (0 < self.wanted.patience <= self.at.stale)

    def _epoch(self) -> None:
        began = time.perf_counter()
        total, rate, start = 0.0, 0.0, self._share()
        step_share = max(1 / self.wanted.epochs, self._last_share())
        batches = list(self._order())
        self.network.train()
        for index, examples in enumerate(batches):
            rate = _rate(self.wanted, min(start + step_share * index / len(batches), 1.0))
            total += self._step(examples, rate, index) * len(examples)
        self.at.epoch += 1
        self.at.seconds += time.perf_counter() - began
        if self.at.epoch % self.wanted.validate_every == 0 or self._share() >= 1.0:
            self._validate(total / self.task.count("train"), rate)

    def _last_share(self) -> float:
        return 0.0 if self.wanted.minutes is None or not self.at.epoch else (
            self.at.seconds / self.at.epoch / (60 * self.wanted.minutes))  # fmt: skip

    def _order(self) -> Iterator[Tensor]:
        draw = torch.Generator().manual_seed(self.wanted.seed * 1_000_003 + self.at.epoch)
        return iter(torch.split(torch.randperm(self.task.count("train"), generator=draw), self.wanted.batch))

    def _step(self, examples: Tensor, rate: float, index: int) -> float:
        seen, target = self.task.batch("train", examples)
        seen, target = seen.to(self.wanted.device, torch.float32), target.to(self.wanted.device, torch.float32)
        if self.wanted.augment:
            turn = random_rotation(seen.dimension, (self.wanted.seed, self.at.epoch, index)).to(target)
            seen, target = moved(seen, turn, torch.zeros_like(turn[0])), target @ turn.T
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        loss = (self.network(seen).vector[:, 0] - target / self.task.scale).square().mean()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.wanted.gradient)
        self.optimiser.step()
        self._average()
        return float(loss.detach()) * self.task.scale**2

    def _average(self) -> None:
        steps = self.at.epoch * max(1, self.task.count("train") // self.wanted.batch)
        keep = min(self.wanted.average, (1 + steps) / (10 + steps))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                if keep and value.is_floating_point():
                    self.mean[name].lerp_(value, 1 - keep)
                else:
                    self.mean[name].copy_(value)

    def _validate(self, train_mse: float, rate: float) -> None:
        began = time.perf_counter()
        found = self._measure(self.mean, "valid")
        if not math.isfinite(found):
            raise Refused(f"{self.wanted.title}: the training diverged in epoch {self.at.epoch}; lower learning_rate")
        self.at.stale += 1
        if found < self.at.best:
            self.at.best, self.at.best_epoch, self.at.stale = found, self.at.epoch, 0
            self.best = {name: value.clone() for name, value in self.mean.items()}
        self.at.seconds += time.perf_counter() - began
        self.at.rows.append([self.at.epoch, round(self.at.seconds, 3), rate, train_mse, found])
        self._keep()

    def _measure(self, weights: dict[str, Tensor], part: Part) -> float:
        now = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(weights)
        found = measure(self.network, self.task, part, self.wanted.device)
        self.network.load_state_dict(now)
        return found

    def _keep(self) -> None:
        """State and log on disk, whole or not at all."""
        tensors = {f"{kind}.{name}": value for kind, held in (("now", self.network.state_dict()), ("mean", self.mean),
                   ("best", self.best)) for name, value in held.items()}  # fmt: skip
        for index, held in self.optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{name}": value for name, value in held.items()}
        state = save({name: value.detach().cpu().contiguous() for name, value in tensors.items()},
                     {"at": json.dumps(asdict(self.at)), "settings": repr(self.wanted)})  # fmt: skip
        write_file(self._state, state, kind="the state of a training", own=True)
        write_file(log_of(self.path), _log(self.at.rows), kind="the log of a training", own=True)

    def _restore(self) -> None:
        """Go on from the state. Raises Refused for one that is not whole."""
        at = _progressed(self._state, _about(self._state))
        try:
            self._fill(load_file(self._state, device=self.wanted.device))
        except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError) as error:
            raise _not_whole(self._state, error) from None
        self.at = at

    def _fill(self, tensors: dict[str, Tensor]) -> None:
        """Weights, their mean, the best ones and the optimiser's. Raises KeyError, ValueError or RuntimeError."""
        parts: dict[str, dict[str, Tensor]] = {"now": {}, "mean": {}, "best": {}, "adam": {}}
        for name, value in tensors.items():
            kind, _, rest = name.partition(".")
            parts[kind][rest] = value
        wanted = {name: (value.shape, value.dtype) for name, value in self.network.state_dict().items()}
        for kind in ("now", "mean", "best"):
            if {name: (value.shape, value.dtype) for name, value in parts[kind].items()} != wanted:
                raise ValueError(f"its tensors '{kind}' are not those of the network")
        self.network.load_state_dict(parts["now"])
        self.mean, self.best = parts["mean"], parts["best"]
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in parts["adam"].items():
            index, _, rest = name.partition(".")
            state.setdefault(int(index), {})[rest] = value
        require_moments(state, [value for group in self.optimiser.param_groups for value in group["params"]])
        self.optimiser.load_state_dict({"state": state, "param_groups": self.optimiser.state_dict()["param_groups"]})

    def _finish(self) -> Card:
        if not math.isfinite(self.at.best):
            raise Refused(f"{self.wanted.title}: no epoch of this training was validated; remove {self._state} to "
                          "begin anew")  # fmt: skip
        if odd := [name for name, value in self.best.items() if not bool(torch.isfinite(value).all())]:
            raise Refused(f"{self.wanted.title}: after the training '{odd[0]}' holds numbers that are not finite")
        self.network.load_state_dict(self.best)
        wanted, task, span = self.wanted, self.task, self.task.range
        metrics = {
            "valid_mse": self.at.best,
            "test_mse": measure(self.network, task, "test", wanted.device),
            "best_epoch": float(self.at.best_epoch),
            "minutes": self.at.seconds / 60,
            "parameters": float(sum(value.numel() for value in self.network.parameters())),
        }
        shape = task.shape
        card = Card(
            network=wanted.network, dimension=shape.dimension, scalars=shape.scalars, vectors=shape.vectors,
            attributes=shape.attributes, symmetry=wanted.network.symmetry(shape.dimension), scale=task.scale,
            units=Units(length=task.units[0], answer=task.units[1]), reach=task.reach, species=task.species,
            trained=Trained(task=wanted.task, data_sha256=task.sha256, seed=wanted.seed, epochs=self.at.epoch,
                            **asdict(span)),
            metrics=metrics,
        )  # fmt: skip
        return write(self.network, card, self.path)


def require_moments(state: dict[int, dict[str, Tensor]], parameters: list[Tensor]) -> None:
    """Raises ValueError where Adam's moments are not finite numbers of the parameters' shapes."""
    if not state.keys() <= set(range(len(parameters))):  # one without a gradient has none
        raise ValueError("its tensors 'adam' are not those of the network")
    for index, held in state.items():
        like = parameters[index]
        wanted = {"step": torch.Size(()), "exp_avg": like.shape, "exp_avg_sq": like.shape}
        if {name: value.shape for name, value in held.items()} != wanted:
            raise ValueError("its tensors 'adam' are not those of the network")
        if not all(value.dtype == torch.float32 and bool(torch.isfinite(value).all()) for value in held.values()):
            raise ValueError("its tensors 'adam' are no finite numbers of type float32")


def state_of(card: Path) -> Path:
    """The file that a training goes on from, beside the card that it makes."""
    return card.with_suffix(".state.safetensors")


def log_of(card: Path) -> Path:
    """The table of errors by epoch, beside the card."""
    return card.with_suffix(".csv")


def _log(rows: list[list[float]]) -> str:
    log = io.StringIO(newline="")
    csv.writer(log).writerows([COLUMNS, *rows])
    return log.getvalue()


def require_possible(wanted: Training, card: Path) -> None:
    """Raises Refused where this machine has not the device, or the checkpoint is not named by its card."""
    if wanted.device == "cuda" and not torch.cuda.is_available():
        raise Refused(f"{wanted.title}: 'device' is cuda, and this machine has no CUDA device (allowed here: cpu)")
    if card.suffix != ".json":
        raise Refused(f"{wanted.title}: 'out' is {card}, and a checkpoint is named by its card, a .json file")


def require_own(wanted: Training, card: Path) -> None:
    """Raises Refused where there is a state, a card, weights or a log that this training has not made.

    The weights that it makes are the best ones of its state, the card states their SHA-256, and the log has its rows.
    """
    state, weights, log = state_of(card), card.with_suffix(".safetensors"), log_of(card)
    best, rows = "", ""
    if state.exists():
        said = _about(state)
        if said.get("settings") != repr(wanted):
            raise Refused(f"{state}: this training was begun with other settings; "
                          "give this one another 'out', or remove the file to begin anew")  # fmt: skip
        best, rows = _best_sha256(state), _log(_progressed(state, said).rows)
    own: dict[Path, Callable[[], bool]] = {
        card: lambda: best != "" and _stated_sha256(card) == best,
        weights: lambda: best != "" and hashlib.sha256(weights.read_bytes()).hexdigest() == best,
        log: lambda: rows.startswith(log.read_bytes().decode("utf-8", "replace")),
    }
    for path, is_own in own.items():
        if path.exists() and not is_own():
            what = "log" if path == log else "checkpoint"
            raise Refused(f"{path}: a {what} is there that this training has not made; "
                          "give it another 'out' (or --out), or remove that file")  # fmt: skip


def _best_sha256(state: Path) -> str:
    """Of the file of weights that a training with this state writes at its end."""
    with safe_open(state, "pt") as file:
        names = [name for name in file.keys() if name.startswith("best.")]  # noqa: SIM118 - it is no mapping
        return hashlib.sha256(save({name.removeprefix("best."): file.get_tensor(name) for name in names})).hexdigest()


def _stated_sha256(card: Path) -> str:
    """Of the weights, as the card states it; "" where it states none."""
    try:
        found = json.loads(card.read_bytes())
    except (ValueError, RecursionError):
        return ""
    return str(found.get("weights_sha256", "")) if isinstance(found, dict) else ""


def _about(state: Path) -> dict[str, str]:
    """Where a training is, and its settings. Raises Refused for a state that is not whole."""
    try:
        with safe_open(state, "pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise _not_whole(state, error) from None


def _progressed(state: Path, said: dict[str, str]) -> Progressed:
    """Where a training is, as its state says. Raises Refused."""
    try:
        found = Progressed(**json.loads(said["at"]))
        whole = (found.epoch, found.best_epoch, found.stale)
        rows = [number for row in found.rows for number in row]
        if not all(type(one) is int and 0 <= one <= MOST_EPOCHS for one in whole):
            raise ValueError(f"its epochs are no whole numbers from 0 to {MOST_EPOCHS}")
        if not all(type(one) in (int, float) and one >= 0 for one in (found.seconds, *rows)):
            raise ValueError("its times and errors are no numbers of at least 0")
        if type(found.best) not in (int, float) or not found.best >= 0 or found.seconds > LONGEST_S:
            raise ValueError("its best error, or its time, is no number that a training has")
    except KeyError:
        raise _not_whole(state, "it does not say 'at', where the training is") from None
    except (ValueError, TypeError, RecursionError) as error:
        raise _not_whole(state, error) from None
    return found


def _not_whole(state: Path, error: BaseException | str) -> Refused:
    return Refused(f"{state}: the state to go on from can't be read ({one_line(error)}); remove it to begin anew")


def measure(network: nn.Module, task: Task, part: Part, device: str = "cpu", batch: int = 500) -> float:
    """Mean square of the components' errors over a part, in the task's own unit squared."""
    network.eval()
    total, count = 0.0, 0
    with torch.inference_mode():
        for examples in torch.split(torch.arange(task.count(part)), batch):
            seen, target = task.batch(part, examples)
            found = network(seen.to(device, torch.float32)).vector[:, 0].cpu() * task.scale
            total += float((found - target).square().sum())
            count += target.numel()
    return total / max(count, 1)


def random_rotation(dimension: int, seed: tuple[int, ...]) -> Tensor:
    """A rotation [d, d] drawn evenly (QR of a Gaussian matrix, Mezzadri 2007)."""
    number = 0
    for part in seed:
        number = number * 1_000_003 + part + 1
    draw = torch.Generator().manual_seed(number % (1 << 62))
    unit: Tensor
    unit, upper = torch.linalg.qr(torch.randn(dimension, dimension, generator=draw, dtype=torch.float64))
    unit = unit * upper.diagonal().sign()
    if torch.linalg.det(unit) < 0:
        unit[:, 0] = -unit[:, 0]
    return unit


def _rate(wanted: Training, share: float) -> float:
    """The learning rate after `share` of the schedule."""
    if wanted.schedule == "constant":
        return wanted.learning_rate
    rise = 0.3 if wanted.schedule == "one_cycle" else 0.02
    low = 0.04 * wanted.learning_rate
    if share < rise:
        return low + (wanted.learning_rate - low) * 0.5 * (1 - math.cos(math.pi * share / rise))
    return wanted.learning_rate * max(1e-4, 0.5 * (1 + math.cos(math.pi * (share - rise) / (1 - rise))))


def _adam(network: nn.Module, wanted: Training) -> torch.optim.Adam:
    matrices = [value for value in network.parameters() if value.dim() > 1]
    others = [value for value in network.parameters() if value.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": wanted.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.Adam([group for group in groups if group["params"]], lr=wanted.learning_rate)
