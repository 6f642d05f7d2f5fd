"""The trainer of all networks and tasks: Adam, a schedule, a running mean of weights, a log, and resumption.

All random numbers follow from (seed, epoch), so that an interrupted training continues with the same result. Its state
is stored as safetensors and JSON, like the checkpoint.
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
from models.networks import build_checked
from models.training import Training

MOST_EPOCHS, LONGEST_S = 10**9, 1e9  # limits of a resumed training
QUIET_S = 20.0  # between two lines of progress without a terminal
COLUMNS = ("epoch", "seconds", "learning_rate", "train_mse", "valid_mse")


@dataclass
class Progressed:
    """Progress of a training."""

    epoch: int = 0
    seconds: float = 0.0
    best: float = math.inf
    best_epoch: int = 0
    stale: int = 0
    rows: list[list[float]] = field(default_factory=list)


class Trainer:
    """One training. `run` starts or resumes it; `path` is the checkpoint's card."""

    def __init__(self, settings: Training, task: Task, path: Path) -> None:
        require_possible(settings, path)
        self.settings, self.task, self.path = settings, task, path
        torch.manual_seed(settings.seed)
        self.network = build_checked(lambda: settings.network.build(task.shape), settings.title).to(settings.device)
        self.mean = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.best = {name: value.clone() for name, value in self.mean.items()}
        self.optimiser = _adam(self.network, settings)
        self.at = Progressed()

    @property
    def _state(self) -> Path:
        return state_of(self.path)

    def run(self, resume: bool = True) -> Card:
        """Train to the end, and write the checkpoint of the best validation. After Ctrl-C the training can be resumed.

        Raises Refused if the checkpoint in its place belongs to another training.
        """
        if resume:
            require_own(self.settings, self.path)
            if self._state.exists():
                self._restore()
        console = Console(file=sys.stderr)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[message]}"),
            TimeRemainingColumn(),
        )
        reported_s = time.perf_counter()
        board = Board(self.path.parent / "tensorboard" / self.path.stem)
        with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
            shown = bar.add_task(self.settings.title, total=1.0, message="")
            while not self._over():
                self._epoch()
                if self.at.rows:
                    board.show(self.at.epoch, train_mse=self.at.rows[-1][3], valid_mse=self.at.rows[-1][4])
                text = f"epoch {self.at.epoch}, best {self.at.best:.5f}"
                bar.update(shown, completed=self._share(), message=text)
                if not console.is_terminal and time.perf_counter() - reported_s > QUIET_S:
                    print(f"{self.settings.title}: {self._share():.0%}, {text}", file=sys.stderr, flush=True)
                    reported_s = time.perf_counter()
        board.close()
        if resume:
            require_own(self.settings, self.path)  # another checkpoint may have been written during the training
        return self._finish()

    def _share(self) -> float:
        """Completed share of the schedule."""
        share = self.at.epoch / self.settings.epochs
        if self.settings.minutes is not None:
            share = max(share, self.at.seconds / (60 * self.settings.minutes))
        return min(share, 1.0)

    def _over(self) -> bool:
        return self._share() >= 1.0 or (0 < self.settings.patience <= self.at.stale)

    def _epoch(self) -> None:
        began = time.perf_counter()
        total, rate, start = 0.0, 0.0, self._share()
        step_share = max(1 / self.settings.epochs, self._last_share())
        batches = list(self._order())
        self.network.train()
        for index, examples in enumerate(batches):
            rate = _rate(self.settings, min(start + step_share * index / len(batches), 1.0))
            total += self._step(examples, rate, index) * len(examples)
        self.at.epoch += 1
        self.at.seconds += time.perf_counter() - began
        if self.at.epoch % self.settings.validate_every == 0 or self._share() >= 1.0:
            self._validate(total / self.task.count("train"), rate)

    def _last_share(self) -> float:
        return 0.0 if self.settings.minutes is None or not self.at.epoch else (
            self.at.seconds / self.at.epoch / (60 * self.settings.minutes))  # fmt: skip

    def _order(self) -> Iterator[Tensor]:
        draw = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + self.at.epoch)
        return iter(torch.split(torch.randperm(self.task.count("train"), generator=draw), self.settings.batch))

    def _step(self, examples: Tensor, rate: float, index: int) -> float:
        cloud, target = self.task.batch("train", examples)
        cloud, target = cloud.to(self.settings.device, torch.float32), target.to(self.settings.device, torch.float32)
        if self.settings.augment:
            turn = random_rotation(cloud.dimension, (self.settings.seed, self.at.epoch, index)).to(target)
            cloud, target = moved(cloud, turn, torch.zeros_like(turn[0])), target @ turn.T
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        loss = (self.network(cloud).vector[:, 0] - target / self.task.scale).square().mean()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.gradient)
        self.optimiser.step()
        self._average()
        return float(loss.detach()) * self.task.scale**2

    def _average(self) -> None:
        steps = self.at.epoch * max(1, self.task.count("train") // self.settings.batch)
        keep = min(self.settings.average, (1 + steps) / (10 + steps))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                if keep and value.is_floating_point():
                    self.mean[name].lerp_(value, 1 - keep)
                else:
                    self.mean[name].copy_(value)

    def _validate(self, train_mse: float, rate: float) -> None:
        began = time.perf_counter()
        error = self._measure(self.mean, "valid")
        if not math.isfinite(error):
            raise Refused(f"{self.settings.title}: the training diverged in epoch {self.at.epoch}; lower learning_rate")
        self.at.stale += 1
        if error < self.at.best:
            self.at.best, self.at.best_epoch, self.at.stale = error, self.at.epoch, 0
            self.best = {name: value.clone() for name, value in self.mean.items()}
        self.at.seconds += time.perf_counter() - began
        self.at.rows.append([self.at.epoch, round(self.at.seconds, 3), rate, train_mse, error])
        self._keep()

    def _measure(self, weights: dict[str, Tensor], part: Part) -> float:
        now = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(weights)
        error = measure(self.network, self.task, part, self.settings.device)
        self.network.load_state_dict(now)
        return error

    def _keep(self) -> None:
        """Write state and log; each file is complete or unchanged."""
        tensors = {f"{kind}.{name}": value for kind, held in (("now", self.network.state_dict()), ("mean", self.mean),
                   ("best", self.best)) for name, value in held.items()}  # fmt: skip
        for index, held in self.optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{name}": value for name, value in held.items()}
        state = save({name: value.detach().cpu().contiguous() for name, value in tensors.items()},
                     {"at": json.dumps(asdict(self.at)), "settings": repr(self.settings)})  # fmt: skip
        write_file(self._state, state, kind="the state of a training", own=True)
        write_file(log_of(self.path), _log(self.at.rows), kind="the log of a training", own=True)

    def _restore(self) -> None:
        """Load the state. Raises Refused for a damaged one."""
        at = _progressed(self._state, _about(self._state))
        try:
            self._fill(load_file(self._state, device=self.settings.device))
        except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError) as error:
            raise _not_whole(self._state, error) from None
        self.at = at

    def _fill(self, tensors: dict[str, Tensor]) -> None:
        """Load weights, mean, best weights and moments. Raises KeyError, ValueError or RuntimeError."""
        parts: dict[str, dict[str, Tensor]] = {"now": {}, "mean": {}, "best": {}, "adam": {}}
        for name, value in tensors.items():
            kind, _, rest = name.partition(".")
            parts[kind][rest] = value
        expected = {name: (value.shape, value.dtype) for name, value in self.network.state_dict().items()}
        for kind in ("now", "mean", "best"):
            if {name: (value.shape, value.dtype) for name, value in parts[kind].items()} != expected:
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
        """Load the best weights, measure the test error, and write the checkpoint. Raises Refused."""
        if not math.isfinite(self.at.best):
            raise Refused(f"{self.settings.title}: no epoch of this training was validated; remove {self._state} to "
                          "begin anew")  # fmt: skip
        if odd := [name for name, value in self.best.items() if not bool(torch.isfinite(value).all())]:
            raise Refused(f"{self.settings.title}: after the training '{odd[0]}' holds numbers that are not finite")
        self.network.load_state_dict(self.best)
        settings, task, span = self.settings, self.task, self.task.range
        metrics = {
            "valid_mse": self.at.best,
            "test_mse": measure(self.network, task, "test", settings.device),
            "best_epoch": float(self.at.best_epoch),
            "minutes": self.at.seconds / 60,
            "parameters": float(sum(value.numel() for value in self.network.parameters())),
        }
        shape = task.shape
        card = Card(
            network=settings.network, dimension=shape.dimension, scalars=shape.scalars, vectors=shape.vectors,
            attributes=shape.attributes, symmetry=settings.network.symmetry(shape.dimension), scale=task.scale,
            units=Units(length=task.units[0], answer=task.units[1]), reach=task.reach, species=task.species,
            trained=Trained(task=settings.task, data_sha256=task.sha256, seed=settings.seed, epochs=self.at.epoch,
                            **asdict(span)),
            metrics=metrics,
        )  # fmt: skip
        return write(self.network, card, self.path)


def require_moments(state: dict[int, dict[str, Tensor]], parameters: list[Tensor]) -> None:
    """Raises ValueError if Adam's moments are not finite, or not of the parameters' shapes."""
    if not state.keys() <= set(range(len(parameters))):  # parameters without a gradient have none
        raise ValueError("its tensors 'adam' are not those of the network")
    for index, held in state.items():
        like = parameters[index]
        expected = {"step": torch.Size(()), "exp_avg": like.shape, "exp_avg_sq": like.shape}
        if {name: value.shape for name, value in held.items()} != expected:
            raise ValueError("its tensors 'adam' are not those of the network")
        if not all(value.dtype == torch.float32 and bool(torch.isfinite(value).all()) for value in held.values()):
            raise ValueError("its tensors 'adam' are no finite numbers of type float32")


def state_of(card: Path) -> Path:
    """The file with the state of a training, next to its card."""
    return card.with_suffix(".state.safetensors")


def log_of(card: Path) -> Path:
    """The table of errors by epoch, next to the card."""
    return card.with_suffix(".csv")


def _log(rows: list[list[float]]) -> str:
    log = io.StringIO(newline="")
    csv.writer(log).writerows([COLUMNS, *rows])
    return log.getvalue()


def require_possible(settings: Training, card: Path) -> None:
    """Raises Refused if this machine lacks the device, or the checkpoint is not named by its card."""
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise Refused(f"{settings.title}: 'device' is cuda, and this machine has no CUDA device (allowed here: cpu)")
    if card.suffix != ".json":
        raise Refused(f"{settings.title}: 'out' is {card}, and a checkpoint is named by its card, a .json file")


def require_own(settings: Training, card: Path) -> None:
    """Raises Refused if a state, card, weights or log exists that is not of this training.

    The weights must be the best ones in its state, the card must have their SHA-256, and the log its rows.
    """
    state, weights, log = state_of(card), card.with_suffix(".safetensors"), log_of(card)
    best, rows = "", ""
    if state.exists():
        metadata = _about(state)
        if metadata.get("settings") != repr(settings):
            raise Refused(f"{state}: this training was begun with other settings; "
                          "give this one another 'out', or remove the file to begin anew")  # fmt: skip
        best, rows = _best_sha256(state), _log(_progressed(state, metadata).rows)
    is_ours: dict[Path, Callable[[], bool]] = {
        card: lambda: best != "" and _stated_sha256(card) == best,
        weights: lambda: best != "" and hashlib.sha256(weights.read_bytes()).hexdigest() == best,
        log: lambda: rows.startswith(log.read_bytes().decode("utf-8", "replace")),
    }
    for path, check in is_ours.items():
        if path.exists() and not check():
            what = "log" if path == log else "checkpoint"
            raise Refused(f"{path}: a {what} is there that this training has not made; "
                          "give it another 'out' (or --out), or remove that file")  # fmt: skip


def _best_sha256(state: Path) -> str:
    """SHA-256 of the weights file that a training with this state writes at its end."""
    with safe_open(state, "pt") as file:
        names = [name for name in file.keys() if name.startswith("best.")]  # noqa: SIM118 - it is no mapping
        return hashlib.sha256(save({name.removeprefix("best."): file.get_tensor(name) for name in names})).hexdigest()


def _stated_sha256(card: Path) -> str:
    """SHA-256 of the weights according to the card; empty if it has none."""
    try:
        data = json.loads(card.read_bytes())
    except (ValueError, RecursionError):
        return ""
    return str(data.get("weights_sha256", "")) if isinstance(data, dict) else ""


def _about(state: Path) -> dict[str, str]:
    """Metadata of a state: progress and settings of the training. Raises Refused for a damaged one."""
    try:
        with safe_open(state, "pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise _not_whole(state, error) from None


def _progressed(state: Path, metadata: dict[str, str]) -> Progressed:
    """Progress of a training, from the metadata of its state. Raises Refused."""
    try:
        progress = Progressed(**json.loads(metadata["at"]))
        whole = (progress.epoch, progress.best_epoch, progress.stale)
        rows = [number for row in progress.rows for number in row]
        if not all(type(number) is int and 0 <= number <= MOST_EPOCHS for number in whole):
            raise ValueError(f"its epochs are no whole numbers from 0 to {MOST_EPOCHS}")
        if not all(type(number) in (int, float) and number >= 0 for number in (progress.seconds, *rows)):
            raise ValueError("its times and errors are no numbers of at least 0")
        if type(progress.best) not in (int, float) or not progress.best >= 0 or progress.seconds > LONGEST_S:
            raise ValueError("its best error, or its time, is no number that a training has")
    except KeyError:
        raise _not_whole(state, "it does not say 'at', where the training is") from None
    except (ValueError, TypeError, RecursionError) as error:
        raise _not_whole(state, error) from None
    return progress


def _not_whole(state: Path, error: BaseException | str) -> Refused:
    return Refused(f"{state}: the state to go on from can't be read ({one_line(error)}); remove it to begin anew")


def measure(network: nn.Module, task: Task, part: Part, device: str = "cpu", batch: int = 500) -> float:
    """Mean squared error of the components over a part, in the task's unit squared."""
    network.eval()
    total, count = 0.0, 0
    with torch.inference_mode():
        for examples in torch.split(torch.arange(task.count(part)), batch):
            cloud, target = task.batch(part, examples)
            result = network(cloud.to(device, torch.float32)).vector[:, 0].cpu() * task.scale
            total += float((result - target).square().sum())
            count += target.numel()
    return total / max(count, 1)


def random_rotation(dimension: int, seed: tuple[int, ...]) -> Tensor:
    """A uniformly distributed random rotation [d, d] (QR of a Gaussian matrix, Mezzadri 2007)."""
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


def _rate(settings: Training, share: float) -> float:
    """Learning rate after `share` of the schedule."""
    if settings.schedule == "constant":
        return settings.learning_rate
    rise = 0.3 if settings.schedule == "one_cycle" else 0.02
    low = 0.04 * settings.learning_rate
    if share < rise:
        return low + (settings.learning_rate - low) * 0.5 * (1 - math.cos(math.pi * share / rise))
    return settings.learning_rate * max(1e-4, 0.5 * (1 + math.cos(math.pi * (share - rise) / (1 - rise))))


def _adam(network: nn.Module, settings: Training) -> torch.optim.Adam:
    matrices = [value for value in network.parameters() if value.dim() > 1]
    vectors = [value for value in network.parameters() if value.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.Adam([group for group in groups if group["params"]], lr=settings.learning_rate)
