"""FA-GNN: message passing with a new frame between layers, from latent vectors (Frame Averaging, section 5)."""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn

from models.cloud import Cloud, PointFeatures
from models.frames.frame import Poses, in_poses, vectors_back
from models.frames.message import Round
from models.frames.pca import principal
from models.layers import perceptron


class FrameAveragingNetwork(nn.Module):
    """width / d latent vectors per point. After each layer they are rotated back and averaged over the frame; the next
    layer gets them in the principal frame of all latent vectors of the graph.

    With `drop_centre` the mean latent vector of a graph is lost at every new frame, as in the authors' code (needed for
    their weights); otherwise the vectors are only rotated. The result is a displacement. The authors' result is a
    position: ours plus the centre of the graph. `about_centre` gives the displacement to that position.
    """

    def __init__(
        self,
        *,
        dimension: int = 3,
        scalars: int = 0,
        vectors: int = 1,
        attributes: int = 1,
        width: int = 60,
        layers: int = 4,
        group: Literal["E", "SE"] = "E",
        drop_centre: bool = False,
        about_centre: bool = False,
        residual: bool = True,
    ) -> None:
        super().__init__()
        if width % dimension:
            raise ValueError(f"the width {width} is not a multiple of {dimension}")
        self.dimension, self.group = dimension, group
        self.drop_centre, self.about_centre = drop_centre, about_centre
        self.embedding = nn.Linear(dimension * (1 + vectors) + scalars, width)
        self.rounds = nn.ModuleList(Round(width, attributes + 1, residual) for _ in range(layers))
        self.decoder = perceptron(width, width, dimension)

    def forward(self, cloud: Cloud) -> PointFeatures:
        frame = principal(cloud, "E" if self.group == "E" else "SE")
        posed = in_poses(frame, cloud)
        # distances are invariant: the attribute of a pair is the same in every pose and layer
        extra = torch.cat([posed.attribute, posed.offset().square().sum(1, keepdim=True)], 1)
        feature = self.embedding(torch.cat([posed.position, posed.vector.flatten(1), posed.scalar], 1))  # [K N, width]
        rounds = cast(list[Round], list(self.rounds))
        for index, layer in enumerate(rounds):
            feature = layer(feature, extra, posed)
            if index < len(rounds) - 1:
                frame, feature = self._reframed(frame, feature, cloud)
        vector = vectors_back(frame, cloud.graph, self.decoder(feature)[:, None])
        if self.about_centre:
            centre = principal(cloud, "T").origin[cloud.graph]
            vector = vector + (centre - cloud.position)[:, None]
        return PointFeatures(vector, cloud.position.new_zeros(cloud.points, 0))

    def _reframed(self, frame: Poses, feature: Tensor, cloud: Cloud) -> tuple[Poses, Tensor]:
        latent = vectors_back(frame, cloud.graph, feature.reshape(len(feature), -1, self.dimension))  # [N, W, d]
        each = latent.shape[1]
        spread = Cloud(
            latent.flatten(0, 1),
            latent.new_zeros(len(latent) * each, 0, self.dimension),
            latent.new_zeros(len(latent) * each, 0),
            cloud.receiver[:0],
            cloud.sender[:0],
            cloud.attribute[:0],
            cloud.graph.repeat_interleave(each),
            cloud.graphs,
        )
        new = principal(spread, self.group if self.drop_centre else ("O" if self.group == "E" else "SO"))
        return new, in_poses(new, spread).position.reshape(-1, each * self.dimension)
